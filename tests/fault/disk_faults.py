"""Count the operations of the cache's seam to the disk, and let one of them fail."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubferry.cache.disk import Disk, disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATIONS = tuple(name for name in vars(Disk) if not name.startswith("_"))
ERRNOS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE)


@contextlib.contextmanager
def replaced(wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Put `wrap(name, operation)` in the place of every operation, for a while."""
    before = dict(vars(disk))
    honest = {name: getattr(disk, name) for name in OPERATIONS}
    for name, operation in honest.items():
        setattr(disk, name, wrap(name, operation))
    try:
        yield
    finally:
        vars(disk).clear()
        vars(disk).update(before)


class Faults:
    """Let the operation at `turn` fail with `number`, every other one work; count them all.

    Args:
        turn: Which operation fails, from 1; 0 only counts.
        number: The errno it fails with.
        after: Also let every later operation fail that is named here, as on a disk that stays full.
    """

    def __init__(self, turn: int = 0, number: int = errno.EIO, *, after: tuple[str, ...] = ()) -> None:
        self.turn = turn
        self.number = number
        self.after = after
        self.reached = 0
        self.names: list[str] = []
        self._counting = threading.Lock()

    @property
    def struck(self) -> bool:
        """Whether the failing operation had its turn."""
        return 0 < self.turn <= self.reached

    @contextlib.contextmanager
    def installed(self) -> Iterator[Faults]:
        with replaced(self._wrap):
            yield self

    def _wrap(self, name: str, honest: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **keywords: Any) -> Any:
            with self._counting:
                self.reached += 1
                self.names.append(name)
                fails = self.reached == self.turn or (self.struck and name in self.after)
            if not fails:
                return honest(*arguments, **keywords)
            if name == "close":  # whatever it reports, the system has given the descriptor back
                honest(*arguments, **keywords)
            raise OSError(self.number, os.strerror(self.number))

        return operation


@contextlib.contextmanager
def lacking(*names: str) -> Iterator[None]:
    """Work on a filesystem that lacks these operations."""

    def wrap(name: str, honest: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*_arguments: Any) -> Any:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        return refuse if name in names else honest

    with replaced(wrap):
        yield


def never_waiting() -> contextlib.AbstractContextManager[None]:
    """Wait for no disk: no power goes here, and thousands of waits are long."""
    skipped = ("fsync", "fsync_directory")
    return replaced(lambda name, honest: (lambda *_arguments: None) if name in skipped else honest)


def open_descriptors() -> set[str]:
    """Return what this process has open, as far as the system tells."""
    found = set()
    for descriptor in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.add(f"{descriptor.name} {descriptor.readlink()}")
    return found
