"""Write one volume: byte for byte the same each time, and under its name only when all of it is right."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.bundles import closing, layout
from hubferry.cache import placing
from hubferry.cache.disk import disk, disk_errors
from hubferry.errors import DiskError, IntegrityError, LockedError, UsageError
from hubferry.events import FileDone, FileStarted, Listener, Progress
from hubferry.hubs.bundle import archive
from hubferry.hubs.bundle.index import encoded
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hubferry.hubs.bundle.index import BundledFile, Index, Piece

PARTIAL = ".partial"
"""Ends the name of a volume that is being written."""
_BLOCK = 1 << 20
_FLUSH = 32 << 20
"""Bytes after which the system is told to bring them to the disk: a slow stick then has little left to do."""


@dataclass(frozen=True, slots=True)
class Written:
    """A volume that is there.

    Attributes:
        number: From 1.
        path: Its file.
        size: Its bytes.
        kept: Whether an earlier run had written it.
    """

    number: int
    path: Path
    size: int
    kept: bool


@dataclass(slots=True)
class Work:
    """What all volumes of a bundle are written from.

    Attributes:
        index: The bundle.
        roots: The directory of each repository.
        directory: Where the volumes go.
        listen: Hears how far it is.
        halted: Asked between pieces; raises when the run is to end.
    """

    index: Index
    roots: Sequence[Path]
    directory: Path
    listen: Listener
    halted: Callable[[], None]
    content: bytes = field(init=False)
    numbers: dict[Piece, int] = field(init=False)
    sums_of_all: bytes = field(init=False)
    _proven: dict[tuple[int, int], os.stat_result] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare what each volume has."""
        self.content = encoded(self.index)
        self.numbers = layout.numbered(self.index)
        self.sums_of_all = closing.sums_of_all(self.index.models)

    def path(self, number: int) -> Path:
        """Return the file of a volume."""
        return self.directory / archive.volume_name(self.index.name, number)

    def size(self, number: int) -> int:
        """Return the bytes of a volume, before it is written."""
        fixed = closing.length(self.index.name, self.sums_of_all)
        return self._least(number) + fixed + len(archive.END)

    def _least(self, number: int) -> int:
        """Return the bytes of a volume up to its sums: what follows may be another version's."""
        sums = archive.padded(closing.length_of_sums(self.index, number, self.numbers))
        head = archive.BLOCK + archive.padded(len(self.content))
        return head + self.index.volumes[number - 1].length + archive.BLOCK + sums

    def is_there(self, number: int) -> bool:
        """Return whether a volume has been written.

        Raises:
            UsageError: Another file has its name.
        """
        path = self.path(number)
        with disk_errors(path):
            try:
                descriptor = disk.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            except FileNotFoundError:
                return False
            try:
                start = disk.pread(descriptor, archive.BLOCK + len(self.content), 0)
                size = disk.fstat(descriptor).st_size
            finally:
                disk.close(descriptor)
        if start == self._head(number) and size >= self._least(number):
            return True
        message = _("{path} is there and is no volume of this bundle").format(path=path)
        raise UsageError(message, path=str(path), hint=_("remove it, or choose another --name or folder"))

    def _head(self, number: int) -> bytes:
        member = archive.index_member(self.index.name, number)
        return archive.header(member, len(self.content)) + self.content

    def write(self, number: int) -> Written:
        """Write a volume, going on where an earlier run of it stopped.

        Raises:
            IntegrityError: A file in the cache is not what was verified.
            LockedError: Another run writes it at this moment.
            DiskError: The disk is full, forbids it, or fails; a file may be too large for it.
        """
        path, size = self.path(number), self.size(number)
        partial = path.with_name(path.name + PARTIAL)
        with _disk_errors(partial, size):
            descriptor = _claimed(partial)
            try:
                sink = _Sink(descriptor, disk.fstat(descriptor).st_size)
                self.listen(FileStarted("send", path.name, size))
                for data in self._bytes(number):
                    self.halted()
                    sink.write(data)
                    self.listen(Progress("send", path.name, len(data)))
                sink.finish(size)
            finally:
                disk.close(descriptor)
            _put_in_place(partial, path)
            disk.fsync_directory(self.directory)
        self.listen(FileDone("send", path.name, size))
        return Written(number, path, size, kept=False)

    def _bytes(self, number: int) -> Iterator[bytes]:
        """Yield a volume from its first byte to its last."""
        index, sums = self.index, []
        yield self._head(number)
        yield archive.padding(len(self.content))
        for piece in index.volumes[number - 1].pieces:
            member = layout.member_of(index, piece, self.numbers[piece])
            yield archive.header(member, piece.stop - piece.start)
            sha256 = hashlib.sha256()
            for data in self._content(piece):
                sha256.update(data)
                yield data
            self._demand(piece, sha256.hexdigest())
            yield archive.padding(piece.stop - piece.start)
            sums.append((sha256.hexdigest(), member))
        yield from closing.members(index.name, number, sums, self.sums_of_all)
        yield archive.END

    def _content(self, piece: Piece) -> Iterator[bytes]:
        """Yield the bytes of a piece; a file that is cut was read and proven as a whole before."""
        file = self.index.file(piece)
        with self._opened(piece) as descriptor:
            if not layout.is_whole(file, piece):
                self._prove(piece, file, descriptor)
            yield from _blocks(descriptor, piece.start, piece.stop)
            before = self._proven.get((piece.model, piece.file))
            if before is not None and _marks(before) != _marks(disk.fstat(descriptor)):
                raise _changed(file)

    @contextmanager
    def _opened(self, piece: Piece) -> Iterator[int]:
        file, root = self.index.file(piece), self.roots[piece.model]
        place = placing.place_of(root, file.path)
        with disk_errors(place):
            descriptor = disk.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            yield descriptor
        finally:
            disk.close(descriptor)

    def _prove(self, piece: Piece, file: BundledFile, descriptor: int) -> None:
        """Hash a file that is going to be cut, once a run: no volume gets its name with a wrong piece."""
        key = (piece.model, piece.file)
        if key in self._proven:
            return
        status, sha256 = disk.fstat(descriptor), hashlib.sha256()
        for data in _blocks(descriptor, 0, file.size):
            sha256.update(data)
            self.halted()
        if sha256.hexdigest() != file.sha256 or status.st_size != file.size:
            raise _changed(file)
        self._proven[key] = status

    def _demand(self, piece: Piece, sha256: str) -> None:
        file = self.index.file(piece)
        if layout.is_whole(file, piece) and sha256 != file.sha256:
            raise _changed(file)


def _claimed(partial: Path) -> int:
    """Open what there is of a volume, for this run alone; return the descriptor, which holds the lock.

    Raises:
        LockedError: Another run writes it, or has just ended it.
    """
    descriptor = disk.open(partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0))
    try:
        if disk.lock(descriptor) and os.path.samestat(disk.fstat(descriptor), disk.lstat(partial)):
            return descriptor
    except FileNotFoundError:  # it has got its name meanwhile
        pass
    except BaseException:
        disk.close(descriptor)
        raise
    disk.close(descriptor)
    raise _locked(partial)


def _put_in_place(partial: Path, path: Path) -> None:
    """Give a volume its name, which another run may have done meanwhile, with the same bytes."""
    try:
        disk.replace(partial, path)
    except FileNotFoundError as error:
        raise _locked(partial) from error


def _locked(partial: Path) -> LockedError:
    message = _("another run writes {path}").format(path=partial)
    return LockedError(
        message, path=str(partial), hint=_("wait until it has ended, then type the same again")
    )


def _blocks(descriptor: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        data = disk.pread(descriptor, min(_BLOCK, stop - start), start)
        if not data:
            return
        start += len(data)
        yield data


def _marks(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _changed(file: BundledFile) -> IntegrityError:
    message = _("{path} in the cache is not what was verified any more").format(path=file.path)
    return IntegrityError(message, side="cache", path=file.path, hint="hubferry cache verify --full")


class _Sink:
    """A file that is written from its start; what an earlier run has left there is compared and kept."""

    def __init__(self, descriptor: int, there: int) -> None:
        self._descriptor = descriptor
        self._there = there
        self._position = 0
        self._flushed = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        kept = self._there >= self._position + len(data)
        if kept and disk.pread(self._descriptor, len(data), self._position) == data:
            self._position += len(data)
            return
        self._there = 0
        self._position += disk.pwrite_all(self._descriptor, [data], self._position)
        if self._position - self._flushed >= _FLUSH:
            disk.start_writing(self._descriptor, self._flushed, self._position - self._flushed)
            self._flushed = self._position

    def finish(self, size: int) -> None:
        """Return when all of it survives a power cut.

        Raises:
            IntegrityError: A file was shorter than it has to be.
        """
        if self._position != size:
            message = _("a file in the cache is shorter than it was when it was verified")
            raise IntegrityError(message, side="cache", hint="hubferry cache verify --full")
        disk.truncate(self._descriptor, size)
        disk.fsync(self._descriptor)


@contextmanager
def _disk_errors(path: Path, size: int) -> Iterator[None]:
    try:
        with disk_errors(path, needed=size):
            yield
    except DiskError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EFBIG:
            error.hint = "--fat32"
        error.side = None
        raise
