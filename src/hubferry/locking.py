"""A folder's lock: the kernel's, which dies with its process, or a file where the filesystem has none.

With HUBFERRY_LOCK=soft it is always the file, which exists while the lock is held; see `soft_lock`.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from filelock import BaseFileLock, FileLock, Timeout

from hubferry import soft_lock
from hubferry.soft_lock import SoftLock

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "lock"
SOFT_LOCK = "lock.soft"
_NO_KERNEL_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)

Lock = BaseFileLock | SoftLock
"""A lock that is held; `release` gives it back."""


def try_lock(folder: Path) -> Lock | None:
    """Take the lock of `folder` without waiting; None where somebody has it. Any thread may give it back.

    Raises:
        OSError: It cannot be made.
    """
    if os.environ.get("HUBFERRY_LOCK") != "soft":
        try:
            # filelock's own way out removes the file that another run holds
            return _acquired(FileLock(folder / LOCK, timeout=0, thread_local=False, fallback_to_soft=False))
        except OSError as error:
            if error.errno not in _NO_KERNEL_LOCKS:
                raise
    return soft_lock.take(folder / SOFT_LOCK)


def _acquired(lock: BaseFileLock) -> BaseFileLock | None:
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock
