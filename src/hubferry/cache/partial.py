"""A file on its way in: bytes land at their offset, a map beside it remembers which, a later run goes on.

The map has one byte for each CHUNK of the file, set after the chunk's bytes were written. A killed process
therefore loses at most the chunk each connection was in. A power cut may lose bytes that the map promises:
that is found by the hash of the whole file, and the file is fetched anew.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.model import Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.model import RepoFile

CHUNK = 256 * 1024
"""Bytes that one mark of the map stands for."""
_WINDOW = 16 * 1024 * 1024
"""Bytes of the disk that are reserved at a time: what has just begun should not take the room of it all."""
SUFFIX, MAP_SUFFIX = ".part", ".map"
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class PartialFile:
    """Hold the growing content of one file, `size` bytes in the end."""

    def __init__(self, path: Path, size: int) -> None:
        """Open or create the partial at `path`; one of another size is started over."""
        self.path = path
        self.size = size
        self._map_path = path.with_name(path.name + MAP_SUFFIX)
        count = -(-size // CHUNK)
        self._data = disk.open(path, _OPEN)
        self._map = -1
        self._reserved: set[int] = set()
        try:
            self._map = disk.open(self._map_path, _OPEN)
            self._marks = bytearray(disk.pread(self._map, count + 1, 0))
            if disk.fstat(self._data).st_size != size or len(self._marks) != count:
                self._start_over(count)
        except BaseException:
            with suppress(OSError):
                self.close()
            raise

    def _start_over(self, count: int) -> None:
        disk.truncate(self._map, 0)
        disk.truncate(self._data, self.size)
        disk.truncate(self._map, count)
        self._marks = bytearray(count)

    def missing(self) -> list[tuple[int, int]]:
        """Return the ranges (start, stop) that have not landed, in order."""
        return _gaps(self._marks, self.size)

    def write(self, offset: int, pieces: Sequence[bytes | bytearray | memoryview]) -> int:
        """Write `pieces` one after the other from `offset` on, mark the chunks they fill, return the bytes.

        `offset` lies on a chunk's border. A last chunk that is not full is written but not marked, unless it
        ends the file.
        """
        self._reserve(offset, sum(map(len, pieces)))
        length = disk.pwrite_all(self._data, pieces, offset)
        first = offset // CHUNK
        stop = offset + length
        last = len(self._marks) if stop == self.size else stop // CHUNK
        if last > first:
            ones = b"\x01" * (last - first)
            disk.pwrite_all(self._map, [ones], first)
            self._marks[first:last] = ones
        return length

    def _reserve(self, offset: int, count: int) -> None:
        """Have a window of the file reserved when the first bytes of it land.

        The system then need not choose places, and look at the disk for free ones, while it writes.
        """
        for window in range(offset // _WINDOW, -(-(offset + count) // _WINDOW)):
            if window not in self._reserved:
                self._reserved.add(window)
                start = window * _WINDOW
                with suppress(OSError):
                    disk.reserve(self._data, start, min(_WINDOW, self.size - start))

    def span(self, start: int, stop: int) -> Span:
        """Return a range, which must have landed, as what the system can send by itself."""
        return Span(self._data, start, stop)

    def read(self, start: int, count: int) -> bytes:
        """Return `count` bytes from `start`, which must have landed."""
        return disk.pread(self._data, count, start)

    def read_into(self, buffer: memoryview, start: int) -> int:
        """Fill `buffer` with bytes from `start`, which must have landed; return how many."""
        return disk.pread_into(self._data, buffer, start)

    def start_writing(self, start: int, stop: int) -> None:
        """Let the system begin to write what landed; that it cannot is found when the file gets its name."""
        with suppress(OSError):
            disk.start_writing(self._data, start, stop - start)

    def forget(self) -> None:
        """Take back everything that landed: its hash was wrong."""
        self._marks = bytearray(len(self._marks))
        disk.truncate(self._map, 0)
        disk.truncate(self._map, len(self._marks))

    def close(self) -> None:
        """Close the files; what landed stays for a later run."""
        descriptors = (self._data, self._map)
        self._data = self._map = -1
        with ExitStack() as both:
            for descriptor in descriptors:
                if descriptor >= 0:
                    both.callback(disk.close, descriptor)

    def discard_map(self) -> None:
        """Remove the map of a file that is whole and has got its final name."""
        disk.unlink(self._map_path, missing_ok=True)


def partial_path(directory: Path, file: RepoFile) -> Path:
    """Return where the partial of a file lies: named by its content, so that any run of it can go on."""
    name = file.sha256 or file.git_sha1 or hashlib.sha256(file.path.encode()).hexdigest()
    return directory / f"{name}{SUFFIX}"


def missing_ranges(path: Path, size: int) -> list[tuple[int, int]]:
    """Return what a later run would have to fetch of the partial at `path`; nothing is created."""
    marks, count = None, -(-size // CHUNK)
    with suppress(OSError):
        if disk.stat(path).st_size == size:
            marks = disk.read_record(path.with_name(path.name + MAP_SUFFIX), count)
    marks = marks or b""
    return _gaps(marks if len(marks) == count else bytes(count), size)


def landed_bytes(place: Path) -> int:
    """Return the bytes that have landed in the partials at `place`, if there is such a directory."""
    landed = 0
    with suppress(OSError):
        for entry in disk.scandir(place):
            if entry.name.endswith(SUFFIX):
                path = place / entry.name
                size = disk.stat(path).st_size
                landed += size - sum(stop - start for start, stop in missing_ranges(path, size))
    return landed


def _gaps(marks: bytes | bytearray, size: int) -> list[tuple[int, int]]:
    gaps: list[tuple[int, int]] = []
    for index, mark in enumerate(marks):
        if mark:
            continue
        start, stop = index * CHUNK, min((index + 1) * CHUNK, size)
        if gaps and gaps[-1][1] == start:
            gaps[-1] = (gaps[-1][0], stop)
        else:
            gaps.append((start, stop))
    return gaps
