"""Care across runs: pauses that grow after failures, and one run of a file at a time."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hubferry import locking, places
from hubferry.errors import DiskError, LockedError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_PAUSE = 600.0
_LONGEST_PAUSE = 20 * 3600.0
"""Under a day: what fails night after night is asked for every night."""


def pause_after(failures: int) -> float:
    """Return the seconds in which a repository that failed so often in a row is left alone.

    None after the first failure, then ten minutes, doubled each time up to twenty hours.
    """
    if failures <= 1:
        return 0.0
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 2, 30))


@contextmanager
def only_run_of(file: Path) -> Iterator[None]:
    """Hold a mirror file for one run, in this account's state directory.

    Raises:
        LockedError: Another run has it.
        DiskError: The state directory cannot be written.
    """
    folder = _folder_of(file)
    if folder is None:  # no home: nothing to remember, and nothing that says who else runs
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = locking.try_lock(folder)
    except OSError as error:
        message = _("{path} cannot be written: {reason}").format(path=folder, reason=error.strerror or error)
        raise DiskError(
            message, path=str(folder), hint=_("set XDG_STATE_HOME to a directory that can be")
        ) from error
    if lock is None:
        message = _("another run of {path} is not over yet").format(path=file)
        raise LockedError(message, path=str(file), hint="hubferry sync history")
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def _folder_of(file: Path) -> Path | None:
    state = places.state()
    if state is None:
        return None
    name = hashlib.sha256(str(file.resolve()).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return state / "sync" / name
