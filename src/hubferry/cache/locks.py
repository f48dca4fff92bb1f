"""One run at a time for one model: the lock of its records, and who holds it.

Where the lock is a file, a holder that gave no sign of life for long is followed by another run; see
`soft_lock`. Should it come back, `demand` stops it before it writes anything more.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hubferry import soft_lock
from hubferry.cache.disk import disk
from hubferry.cache.roots import make_directories
from hubferry.errors import InterruptedRunError, LockedError
from hubferry.i18n import _
from hubferry.locking import LOCK, SOFT_LOCK, try_lock
from hubferry.soft_lock import SoftLock
from hubferry.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubferry.locking import Lock

_HOLDER = "lock.holder"
FILES = (LOCK, SOFT_LOCK, _HOLDER)
"""What a lock is made of, where it is held."""
_LARGEST_HOLDER = 4096
_PAUSE = 0.2
_held: dict[SoftLock, Path] = {}
"""The locks of this process that another may take over, and the records that each is for."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock; `since` in seconds since 1970."""

    pid: int
    host: str
    since: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment(self.since)))
        return _("process {pid} on {host}, since {since}").format(pid=self.pid, host=self.host, since=since)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Holder)


def holder(records: Path) -> Holder | None:
    """Return who last said to hold the lock in `records`; None when nobody did, or it cannot be read.

    A process that was killed cannot take its word back: `is_held` tells whether it is true.
    """
    try:
        return _decoder.decode(disk.read_record(records / _HOLDER, _LARGEST_HOLDER) or b"")
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_held(records: Path) -> bool:
    """Return whether a living run holds the lock in `records`; creates nothing that was not there."""
    if not (records / LOCK).exists() and not (records / SOFT_LOCK).exists():
        return False
    lock = _try(records)
    if lock is None:
        return True
    lock.release()
    return False


@contextmanager
def hold(
    records: Path,
    *,
    name: str,
    wait: float | None,
    on_wait: Callable[[str], None] = lambda _holder: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock of the model whose `.hubferry` is `records`.

    Args:
        records: Created where it is missing, also when somebody removes the model while this waits.
        name: The model's name, for messages.
        wait: Seconds to wait for another holder, 0 not to wait, None for ever.
        on_wait: Called with who holds it when the waiting begins, and when that changes.
        cancelled: Asked while waiting, whether to stop; in the thread that waits.

    Raises:
        InterruptedRunError: `cancelled` said so.
        LockedError: Another run still holds it when the time is over.
        OSError: The lock cannot be made.
    """
    lock = _acquire(records, name, wait, on_wait, cancelled)
    if isinstance(lock, SoftLock):
        _held[lock] = records
    try:
        _introduce(records)
        yield
    finally:
        if isinstance(lock, SoftLock):
            del _held[lock]
        if not isinstance(lock, SoftLock) or lock.is_ours:
            with suppress(OSError):
                disk.unlink(records / _HOLDER, missing_ok=True)
        lock.release()


def demand(place: Path) -> None:
    """Go on only if nobody has taken over the lock under which this process works in `place`.

    Only a lock that is a file can be taken over, from a run that was given up.

    Raises:
        LockedError: Another run has it now; nothing may be written any more.
    """
    for lock, records in tuple(_held.items()):
        if place.is_relative_to(records.parent) and not lock.is_ours:
            message = _("{path}: another run took the lock over, as this one gave no sign of life")
            raise LockedError(
                message.format(path=lock.path), side="cache", path=str(place), hint=_("run it again")
            )


def _acquire(
    records: Path,
    name: str,
    wait: float | None,
    on_wait: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Lock:
    deadline = None if wait is None else time.monotonic() + wait
    told: str | None = None
    while True:
        make_directories(records)
        lock = _try(records)
        if lock is not None:
            return lock
        if cancelled():
            raise InterruptedRunError(_("stopped while waiting for {name}").format(name=name))
        who = str(holder(records) or _("another run"))
        if deadline is not None and time.monotonic() >= deadline:
            raise _locked(records, name, who)
        if who != told:
            told = who
            on_wait(who)
        time.sleep(_PAUSE)


def _locked(records: Path, name: str, who: str) -> LockedError:
    hint = _("wait for it to end")
    soft = records / SOFT_LOCK
    if soft.exists() and soft_lock.gives_signs(soft):
        hint = _("wait for it to end; if it is gone, whoever waits takes over after {seconds} seconds")
        hint = hint.format(seconds=round(soft_lock.PATIENCE))
    elif soft.exists():
        hint = _("if that process is gone, remove {path}").format(path=soft)
    lock = soft if soft.exists() else records / LOCK
    message = _("{name} is in use by {holder}; its lock is {path}")
    message = message.format(name=name, holder=who, path=lock)
    return LockedError(message, side="cache", path=str(records.parent), hint=hint)


def _try(records: Path) -> Lock | None:
    """Take the lock unless somebody has it, or removed its file while it was being taken.

    Whoever cleans a model away holds this lock and removes its file; a lock on the removed file would keep
    nobody out.
    """
    lock = try_lock(records)
    if lock is None:
        return None
    try:
        if _is_in_place(lock):
            return lock
    except BaseException:
        lock.release()
        raise
    lock.release()
    return None


def _is_in_place(lock: Lock) -> bool:
    if isinstance(lock, SoftLock):
        return lock.is_ours
    descriptor = lock._context.lock_file_fd  # noqa: SLF001 - filelock tells no other way which file it locked
    try:
        return descriptor is not None and os.path.samestat(
            disk.fstat(descriptor), disk.stat(Path(lock.lock_file))
        )
    except FileNotFoundError:
        return False


def _introduce(records: Path) -> None:
    """Say who we are; that it cannot be said is no reason not to work."""
    me = Holder(os.getpid(), socket.gethostname(), time.time())
    temporary = records / f"{_HOLDER}.{secrets.token_hex(8)}"
    try:
        descriptor = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            disk.pwrite_all(descriptor, [_encoder.encode(me)], 0)
        finally:
            disk.close(descriptor)
        disk.replace(temporary, records / _HOLDER)
    except OSError:
        with suppress(OSError):
            disk.unlink(temporary, missing_ok=True)
