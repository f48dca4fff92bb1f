"""A file that is still arriving: where its front is, and a reader that follows it.

The reader never passes the front, and holds the last block back until the whole file's hash is right. A
destination that counts bytes can therefore not complete a blob that is wrong.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk_errors
from hubferry.errors import HubferryError, IntegrityError
from hubferry.model import Digests
from hubferry.stream.arrivals import wrong_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Executor

    from hubferry.cache.partial import PartialFile
    from hubferry.model import RepoFile, Span

BLOCK = 256 * 1024
"""Bytes read at a time: small enough for the allocator to reuse the memory instead of mapping it anew."""
AHEAD = 4 * BLOCK
"""Bytes read in one visit to a thread: the visit costs more than the reading."""
HELD_BACK = 1024 * 1024
"""Most bytes at the end of a file that wait for its hash."""
_HASHED_AT_ONCE = 16 * 1024 * 1024
_KEEPS_THE_TURN = 2047
"""Most bytes that hashlib hashes without releasing the interpreter's lock (HASHLIB_GIL_MINSIZE - 1)."""
_buffers = threading.local()


class StartedOverError(IntegrityError):
    """Tell readers that the file is fetched anew, because what they read was wrong. Never leaves the core."""


class Hashes:
    """Hash content as it comes: sha256 always, git's sha1 where some hub may list nothing else."""

    def __init__(self, file: RepoFile, size: int) -> None:
        """Begin for a file of `size` bytes."""
        self._size = size
        self._sha256 = hashlib.sha256()
        git = file.may_be_in_git
        self._sha1 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if git else None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes."""
        self._sha256.update(data)
        if self._sha1 is not None:
            self._sha1.update(data)

    def update_at_once(self, data: bytes) -> None:
        """Take in a little without letting other threads run, who take longer to give the turn back."""
        view = memoryview(data)
        for start in range(0, len(view), _KEEPS_THE_TURN):
            self.update(view[start : start + _KEEPS_THE_TURN])

    def digests(self) -> Digests:
        """Return the digests of everything taken in."""
        sha1 = self._sha1.hexdigest() if self._sha1 is not None else None
        return Digests(self._size, self._sha256.hexdigest(), sha1)


class GrowingFile:
    """Follow one file from its first landed byte to its proven hash. Lives on the event loop."""

    def __init__(self, file: RepoFile, partial: PartialFile, executor: Executor) -> None:
        """Begin with what an earlier run left in `partial`."""
        self.file = file
        self.partial = partial
        self._executor = executor
        self._changed = asyncio.Event()
        self._landed = _complement(partial.missing(), partial.size)
        self._digests: Digests | None = None
        self._error: HubferryError | None = None

    @property
    def front(self) -> int:
        """Bytes that are there without a gap from the start."""
        return self._landed[0][1] if self._landed and self._landed[0][0] == 0 else 0

    @property
    def whole(self) -> bool:
        """Whether every byte has landed; nothing is said about their being right."""
        return self.front == self.partial.size

    def landed(self, start: int, stop: int) -> None:
        """Say that a range is on disk."""
        self._landed = _merge(self._landed, start, stop)
        self._wake()

    def fail(self, error: HubferryError) -> None:
        """End every reader with `error`."""
        self._error = error
        self._wake()

    def proven(self, digests: Digests) -> None:
        """Let readers have the last block."""
        self._digests = digests
        self._wake()

    async def hash(self) -> Digests:
        """Hash behind the front until the end; return the digests when they are what was listed.

        Raises:
            IntegrityError: The bytes are not those that the source listed.
        """
        hashes = Hashes(self.file, self.partial.size)
        loop = asyncio.get_running_loop()
        position = 0
        while position < self.partial.size:
            front = await self._beyond(position, lambda: self.front)
            stop = min(front, position + _HASHED_AT_ONCE)
            await loop.run_in_executor(self._executor, _hash_range, hashes, self.partial, position, stop)
            position = stop
        digests = hashes.digests()
        if not digests.fit(self.file):
            raise wrong_bytes(self.file)
        return digests

    async def read(self, sent: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
        """Yield the file from its first byte, as far as it is there; tell `sent` each new position."""
        loop = asyncio.get_running_loop()
        position, size = 0, self.partial.size
        while position < size:
            stop = min(await self._beyond(position, self._readable), position + AHEAD)
            blocks = await loop.run_in_executor(self._executor, _read_blocks, self.partial, position, stop)
            for block in blocks:
                yield block
                position += len(block)
                sent(position)

    async def read_part(
        self, start: int, stop: int, hashes: hashlib._Hash
    ) -> AsyncGenerator[list[bytes], None]:
        """Yield a range in blocks, some at a time, as far as it is there; each is taken into `hashes`."""
        loop = asyncio.get_running_loop()
        while start < stop:
            end = min(await self._beyond(start, self._readable), start + AHEAD, stop)
            blocks = await loop.run_in_executor(
                self._executor, _read_hashing, self.partial, start, end, hashes
            )
            start = end
            yield blocks

    def reach(self, position: int) -> int:
        """Return up to where the bytes from `position` on are there without a gap.

        Those of the last block are not, before the hash of the whole is right.
        """
        size = self.partial.size
        stop = next((one[1] for one in self._landed if one[0] <= position < one[1]), position)
        return stop if self._digests else min(stop, max(0, size - HELD_BACK), size - 1)

    async def beyond(self, position: int) -> int:
        """Return `reach(position)` once there is something; raises what ended the file's arrival."""
        return await self._beyond(position, lambda: self.reach(position))

    async def spans(self, sent: Callable[[int], None]) -> AsyncGenerator[Span, None]:
        """Yield the same as spans that nobody has read: for an upload that the system does by itself."""
        position, size = 0, self.partial.size
        while position < size:
            stop = min(await self._beyond(position, self._readable), position + AHEAD)
            yield self.partial.span(position, stop)
            position = stop
            sent(position)

    def _readable(self) -> int:
        size = self.partial.size
        return size if self._digests else min(self.front, max(0, size - HELD_BACK), size - 1)

    async def _beyond(self, position: int, limit: Callable[[], int]) -> int:
        while True:
            if self._error is not None:
                raise self._error
            if limit() > position:
                return limit()
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _read_blocks(partial: PartialFile, start: int, stop: int) -> list[bytes]:
    with disk_errors(partial.path):
        return [partial.read(position, min(BLOCK, stop - position)) for position in range(start, stop, BLOCK)]


def _read_hashing(partial: PartialFile, start: int, stop: int, hashes: hashlib._Hash) -> list[bytes]:
    blocks = _read_blocks(partial, start, stop)
    for block in blocks:
        hashes.update(block)
    return blocks


def _hash_range(hashes: Hashes, partial: PartialFile, start: int, stop: int) -> None:
    """Hash a range through one buffer a thread: fresh memory for each block costs more than the reading.

    What is hashed may go to the disk: a whole model written at the end takes seconds.
    """
    buffer = getattr(_buffers, "hashing", None)
    if buffer is None:
        buffer = _buffers.hashing = memoryview(bytearray(HELD_BACK))
    begun = start
    with disk_errors(partial.path):
        while start < stop:
            count = partial.read_into(buffer[: min(HELD_BACK, stop - start)], start)
            if not count:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            hashes.update(buffer[:count])
            start += count
        partial.start_writing(begun, stop)


def _complement(gaps: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    landed, position = [], 0
    for start, stop in gaps:
        if start > position:
            landed.append((position, start))
        position = stop
    if position < size:
        landed.append((position, size))
    return landed


def _merge(ranges: list[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    before = [one for one in ranges if one[1] < start]
    after = [one for one in ranges if one[0] > stop]
    touching = [one for one in ranges if one[1] >= start and one[0] <= stop]
    first = min([start, *(one[0] for one in touching)])
    last = max([stop, *(one[1] for one in touching)])
    return [*before, (first, last), *after]
