"""A folder's lock: the kernel's, which dies with its process, or a file where the filesystem has none.

With HUBFERRY_LOCK=soft it is always the file, which exists while the lock is held; see `soft_lock`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from hubferry import soft_lock
from hubferry.soft_lock import SoftLock

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


def is_in_place(lock: Lock) -> bool:
    """Return whether the file that was locked still has its name: a lock on any other keeps nobody out.

    Raises:
        OSError: That cannot be told.
    """
    if isinstance(lock, SoftLock):
        return lock.is_ours
    descriptor = lock._context.lock_file_fd  # noqa: SLF001 - filelock tells no other way which file it locked
    try:
        return descriptor is not None and os.path.samestat(os.fstat(descriptor), Path(lock.lock_file).stat())
    except FileNotFoundError:
        return False


def _acquired(lock: BaseFileLock) -> BaseFileLock | None:
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock
