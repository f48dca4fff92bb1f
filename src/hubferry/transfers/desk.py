"""The folder where transfers say how they are: one folder each while they run, one file each afterwards.

    transfers/
    ├── running/<id>/lock, said.json     held by the process; written at most once a second
    └── finished/<when>-<id>.json        the last ones

Nothing in here is needed for a transfer to work: what cannot be written is not seen, and that is all.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from hubferry import locking, places, records, soft_lock
from hubferry.transfers.values import Transfer

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 50
"""Transfers that are remembered after their end."""
_SAID = "said.json"
_RUNNING, _FINISHED = "running", "finished"
_LARGEST = 256 << 10
_MOST = 1000
"""Entries of a folder that are looked at; there are as many only where somebody made them."""
_BEGINNING = 60.0
"""Seconds that a process may take between making its folder and saying something."""
_OURS = re.compile(r"\.[0-9a-f]{16}")
"""What is being written has such a name."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Board:
    """What is said at the moment: those that run, oldest first, and those that ended, latest first."""

    running: tuple[Transfer, ...] = ()
    finished: tuple[Transfer, ...] = ()


def place() -> Path | None:
    """Return this account's folder; None where no home is known."""
    state = places.state()
    return None if state is None else state / "transfers"


class Desk:
    """A place of one process: it says there how its transfer goes, and leaves when it has ended."""

    def __init__(self, folder: Path) -> None:
        """Take a place.

        Raises:
            OSError: There is none to be had.
        """
        self._top = folder
        self.id = secrets.token_hex(8)
        self._folder = folder / _RUNNING / self.id
        _make(folder / _RUNNING)
        self._folder.mkdir(mode=0o700)
        lock = locking.try_lock(self._folder)
        if lock is None:  # nobody else knows the name
            raise OSError(str(self._folder))
        self._lock = lock

    def say(self, transfer: Transfer) -> None:
        """Say how it is now; whoever reads finds all of it, or what was said before.

        Raises:
            OSError: It cannot be written.
        """
        _write(self._folder / _SAID, transfer)

    def leave(self, last: Transfer) -> None:
        """Say how it ended, and free the place.

        Raises:
            OSError: It cannot be written.
        """
        try:
            _file(self._top, last)
        finally:
            # Before the lock: whoever found it unlocked would take the transfer for broken off.
            with suppress(OSError):
                (self._folder / _SAID).unlink()
            with suppress(OSError):
                self._lock.release()
            _clear(self._folder)


def look(folder: Path | None) -> Board:
    """Return what is said; those whose process is gone are found out, and filed as broken off."""
    if folder is None:
        return Board()
    running: list[Transfer] = []
    for place in _entries(folder / _RUNNING):
        said = _read(place / _SAID)
        if said is None:
            _clear_unless_new(place)
        elif said.runs and _is_there(said, place):
            running.append(said)
        elif _read(place / _SAID) == said:  # one that has just left has filed its end by itself
            _file_broken_off(folder, place, said)
    filed = [path for path in _latest_first(folder / _FINISHED) if not path.name.startswith(".")]
    finished = [said for path in filed[:KEPT] if (said := _read(path)) is not None]
    return Board(tuple(sorted(running, key=lambda one: one.started)), tuple(finished))


class Watched:
    """Notice that something was said: by `stat` alone, and a folder is read only when it has changed."""

    def __init__(self, folder: Path | None) -> None:
        """Look at this folder."""
        self._folder = folder
        self._changed = 0
        self._said: list[Path] = []

    @property
    def busy(self) -> bool:
        """Whether something ran when `state` was asked for last."""
        return bool(self._said)

    def state(self) -> tuple[int, ...]:
        """Return a value that is another one when something was said since."""
        if self._folder is None:
            return ()
        changed = _mtime(self._folder / _RUNNING)
        if changed != self._changed:
            self._changed = changed
            self._said = [place / _SAID for place in _entries(self._folder / _RUNNING)]
        return (changed, _mtime(self._folder / _FINISHED), *(_mtime(path) for path in self._said))


def _mtime(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def _latest_first(folder: Path) -> list[Path]:
    return sorted(_entries(folder), key=lambda path: path.name, reverse=True)


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as found:
        return [folder / entry.name for entry, _number in zip(found, range(_MOST), strict=False)]
    return []


def _read(path: Path) -> Transfer | None:
    with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        content = records.read(path, _LARGEST)
        return None if content is None else msgspec.json.decode(content, type=Transfer)
    return None


def _write(path: Path, transfer: Transfer) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(temporary, _NEW, 0o600)
    try:
        try:
            content = msgspec.json.encode(transfer)
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _is_there(said: Transfer, place: Path) -> bool:
    """Return whether a process lives: its number and its begin say so, where they cannot its lock does."""
    alive = soft_lock.is_alive(said.process)
    if alive is False:
        return False
    with suppress(OSError):
        lock = locking.try_lock(place)
        if lock is not None:
            lock.release()
            return False
    return True


def _file(folder: Path, last: Transfer) -> None:
    """Keep how a transfer ended, with the last of those before."""
    there = folder / _FINISHED
    _make(there)
    _write(there / f"{round((last.ended or 0) * 1000):015d}-{last.id}.json", last)
    for path in _latest_first(there)[KEPT:]:
        with suppress(OSError):
            path.unlink()


def _file_broken_off(folder: Path, place: Path, said: Transfer) -> None:
    filed = any(path.name.endswith(f"-{said.id}.json") for path in _entries(folder / _FINISHED))
    with suppress(OSError):
        if not filed:
            _file(folder, replace(said, state="broken-off", ended=said.written, waiting=None, in_flight=()))
        _clear(place)


def _make(folder: Path) -> None:
    """Make a folder of the account's own: who copies what is nobody else's business."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _clear_unless_new(place: Path) -> None:
    began = _mtime(place)
    if began and time.time() - began / 1e9 > _BEGINNING:
        _clear(place)


def _clear(place: Path) -> None:
    """Remove a place: the few files that are made in one, and nothing that anybody else put there."""
    for path in _entries(place):
        if path.name in (_SAID, locking.LOCK, locking.SOFT_LOCK) or _OURS.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):
        place.rmdir()
