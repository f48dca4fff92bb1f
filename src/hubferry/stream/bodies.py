"""Bodies of blobs on their way out, hashed as they are read: what is stored of one need not be sent again."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.errors import IntegrityError
from hubferry.events import FileStarted, Listener, Progress
from hubferry.i18n import _
from hubferry.stream.growing import AHEAD, BLOCK
from hubferry.stream.standing import StandingFolder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Executor

    from hubferry.model import RepoFile, Span
    from hubferry.stream.growing import GrowingFile
    from hubferry.stream.standing import Held

_KEPT_STATES = 2
"""Where the part on its way began, to which a broken one goes back, and where it ends."""


class SendProgress:
    """Tell how much of a file has been sent, in all; an attempt that begins anew takes that back.

    Attributes:
        there: Bytes that an earlier run had sent already.
    """

    def __init__(
        self,
        listen: Listener,
        file: RepoFile,
        moved: Callable[[int, int], None],
        tell: Callable[[str, int], None] = lambda _path, _position: None,
    ) -> None:
        """Take who hears of events, of bytes (where all are sent up to, how many now), and of positions."""
        self.there = 0
        self._listen = listen
        self._path = file.path
        self._size = file.size or 0
        self._moved = moved
        self._tell = tell
        self._told = 0
        self._begun = False

    def begin(self, there: int = 0) -> None:
        """Say once that the file is being sent; `there` bytes of it are stored already."""
        if not self._begun:
            self._begun, self.there, self._told = True, there, there
            self._listen(FileStarted("send", self._path, self._size, there))

    def __call__(self, position: int) -> None:
        """Say how far it has come."""
        count = position - self._told
        if count:
            self._listen(Progress("send", self._path, count))
        self._told = position
        self._tell(self._path, position)
        self._moved(position, count)

    def go_back(self, position: int = 0) -> None:
        """Say that an attempt begins at `position`, whatever an earlier one has sent."""
        self.begin()
        if self._told != position:
            self(position)

    def pass_over(self, position: int) -> None:
        """Say that what is stored up to `position` is read, and not sent."""
        self._tell(self._path, position)


class HashedBody:
    """A body that can go on where an attempt has ended: it knows what everything before that hashes to.

    The last bytes come out only when the whole hashes to what it should.
    """

    def __init__(self, file: RepoFile, sha256: str, progress: SendProgress) -> None:
        self._file = file
        self._size = file.size or 0
        self._sha256 = sha256
        self._progress = progress
        self._states = {0: hashlib.sha256()}

    def __call__(self) -> AsyncGenerator[bytes, None]:
        """Start reading at the first byte."""
        return self.part(0, self._size)

    async def part(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` to `stop`; see `PartedBody.part`."""
        if start not in self._states:
            await self.digest(start)
        hashes, position = self._states[start].copy(), start
        self._progress.go_back(start)
        async with aclosing(self._read(start, stop, hashes)) as reading:
            async for blocks in reading:
                position += sum(len(block) for block in blocks)
                if position >= self._size and hashes.hexdigest() != self._sha256:
                    raise self._changed()
                if position >= stop:
                    self._remember(stop, hashes)
                for block in blocks:
                    yield block
                self._progress(position)

    async def digest(self, position: int) -> str:
        """Return what the bytes before `position` hash to; see `PartedBody.digest`."""
        if position not in self._states:
            at = max((known for known in self._states if known < position), default=0)
            hashes = self._states[at].copy() if at in self._states else hashlib.sha256()
            async with aclosing(self._read(at, position, hashes)) as reading:
                async for blocks in reading:
                    at += sum(len(block) for block in blocks)
                    self._progress.pass_over(at)
            self._remember(position, hashes)
            self._progress.begin(position)
        return self._states[position].hexdigest()

    def _remember(self, position: int, hashes: hashlib._Hash) -> None:
        self._states.pop(position, None)
        self._states[position] = hashes
        while len(self._states) > _KEPT_STATES:
            del self._states[next(iter(self._states))]

    def _read(self, start: int, stop: int, hashes: hashlib._Hash) -> AsyncGenerator[list[bytes], None]:
        """Yield a range in blocks, some at a time, taking each into `hashes`; never fewer bytes, or more."""
        raise NotImplementedError

    def _changed(self) -> IntegrityError:
        """Return the error for bytes that do not hash to what they should."""
        raise NotImplementedError


class CachedBody(HashedBody):
    """A whole file, of the cache or of a folder as it stands."""

    def __init__(
        self, file: RepoFile, sha256: str, progress: SendProgress, held: Held, executor: Executor
    ) -> None:
        super().__init__(file, sha256, progress)
        self._held = held
        self._executor = executor

    async def _read(self, start: int, stop: int, hashes: hashlib._Hash) -> AsyncGenerator[list[bytes], None]:
        loop = asyncio.get_running_loop()
        with self._held.disk_errors():
            descriptor = disk.open(self._held.target(self._file.path), os.O_RDONLY)
            try:
                while start < stop:
                    blocks = await loop.run_in_executor(
                        self._executor, _read_hashing, descriptor, start, min(start + AHEAD, stop), hashes
                    )
                    if not blocks:
                        raise self._changed()
                    start += sum(len(block) for block in blocks)
                    yield blocks
            finally:
                disk.close(descriptor)

    def _changed(self) -> IntegrityError:
        return changed(self._file, self._held)


class GrowingBody(HashedBody):
    """A file that is still arriving, as bytes, or as spans of it that nobody reads."""

    def __init__(self, growing: GrowingFile, sha256: str, progress: SendProgress) -> None:
        super().__init__(growing.file, sha256, progress)
        self._growing = growing

    def __call__(self) -> AsyncGenerator[bytes, None]:
        """Start reading at the first byte; its hash is taken while it arrives, and once is enough."""
        self._progress.go_back()
        return self._growing.read(self._progress)

    def spans(self) -> AsyncGenerator[Span, None]:
        """Start at the first byte as well."""
        self._progress.go_back()
        return self._growing.spans(self._progress)

    def _read(self, start: int, stop: int, hashes: hashlib._Hash) -> AsyncGenerator[list[bytes], None]:
        return self._growing.read_part(start, stop, hashes)

    def _changed(self) -> IntegrityError:
        message = _("{path}: the cached file has changed while it was sent").format(path=self._file.path)
        return IntegrityError(message, side="cache", path=self._file.path)


def _read_hashing(descriptor: int, start: int, stop: int, hashes: hashlib._Hash) -> list[bytes]:
    """Read some blocks and hash them, in one visit to a thread."""
    blocks = []
    for position in range(start, stop, BLOCK):
        if not (block := disk.pread(descriptor, min(BLOCK, stop - position), position)):
            break
        hashes.update(block)
        blocks.append(block)
    return blocks


def changed(file: RepoFile, held: Held) -> IntegrityError:
    """Say that a file is no longer what it was when the plan was made."""
    if isinstance(held, StandingFolder):
        return held.changed(file.path)
    return IntegrityError(
        _("{path}: the cached file has changed since it was verified").format(path=file.path),
        side="cache",
        path=file.path,
        hint="hubferry cache verify",
    )
