"""Send blobs to the destination: from a file that is still growing, or from the cache, proven either way."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk, disk_errors
from hubferry.errors import IntegrityError
from hubferry.events import FileDone, FileStarted, Listener, Progress
from hubferry.i18n import _
from hubferry.model import Blob
from hubferry.stream.growing import AHEAD, BLOCK, StartedOverError
from hubferry.stream.standing import StandingFolder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Executor

    from hubferry.hubs.ports import Body, Destination
    from hubferry.model import RepoFile, RepoRef, Span
    from hubferry.stream.download import Download
    from hubferry.stream.growing import GrowingFile
    from hubferry.stream.standing import Held


class Upload:
    """Send the blobs of one model, a few at a time."""

    def __init__(
        self,
        destination: Destination,
        ref: RepoRef,
        held: Held,
        *,
        slots: int,
        executor: Executor,
        listen: Listener,
    ) -> None:
        """Take what is needed: `held` has the whole files, `slots` is the most blobs on their way at once."""
        self._destination = destination
        self._ref = ref
        self._held = held
        self._slots = asyncio.Semaphore(slots)
        self._executor = executor
        self._listen = listen
        self.sent = 0

    async def send_growing(self, file: RepoFile, sha256: str, download: Download) -> None:
        """Send a file while it arrives; when it turns out wrong and is fetched anew, begin again.

        One that has arrived before its turn came is read from the cache: no file stays open for its turn.
        """
        async with self._slots:
            while not download.has_arrived(file.path):
                try:
                    async with download.following(file.path) as growing:
                        with disk_errors(growing.partial.path):  # the system reads it, where it sends spans
                            progress = _Progress(self._listen, file.path, download.sent)
                            await self._send(file, sha256, _GrowingBody(growing, progress), progress)
                except StartedOverError:
                    continue
                return
            await self._send_cached(file, sha256)

    async def send_cached(self, file: RepoFile, sha256: str) -> None:
        """Send a file of the cache, hashed once more on its way: its last block waits for the digest."""
        async with self._slots:
            await self._send_cached(file, sha256)

    async def _send_cached(self, file: RepoFile, sha256: str) -> None:
        progress = _Progress(self._listen, file.path)

        def body() -> AsyncGenerator[bytes, None]:
            progress.restart()
            return self._read_cached(file, sha256, progress)

        await self._send(file, sha256, body, progress)

    async def _send(self, file: RepoFile, sha256: str, body: Body, progress: _Progress) -> None:
        size = file.size or 0
        self._listen(FileStarted("send", file.path, size))
        try:
            await self._destination.upload(self._ref, Blob(sha256, size, file.path), body)
        except StartedOverError:
            progress.take_back()
            raise
        self.sent += size
        self._listen(FileDone("send", file.path, size))

    async def _read_cached(
        self, file: RepoFile, sha256: str, tell: Callable[[int], None]
    ) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        hashes = hashlib.sha256()
        size, position = file.size or 0, 0
        with self._held.disk_errors():
            descriptor = disk.open(self._held.target(file.path), os.O_RDONLY)
            try:
                while position < size:
                    blocks = await loop.run_in_executor(
                        self._executor, _read_hashing, descriptor, position, hashes
                    )
                    position += sum(len(block) for block in blocks)
                    if not blocks or (position >= size and hashes.hexdigest() != sha256):
                        raise changed(file, self._held)
                    for block in blocks:
                        yield block
                    tell(position)
            finally:
                disk.close(descriptor)


class _Progress:
    """Tell how much of a file has been sent, in all; an attempt that begins anew takes that back."""

    def __init__(
        self, listen: Listener, path: str, tell: Callable[[str, int], None] = lambda _path, _position: None
    ) -> None:
        self._listen = listen
        self._path = path
        self._tell = tell
        self._told = 0

    def __call__(self, position: int) -> None:
        self._listen(Progress("send", self._path, position - self._told))
        self._told = position
        self._tell(self._path, position)

    def restart(self) -> None:
        if self._told:
            self(0)

    def take_back(self) -> None:
        self._listen(Progress("send", self._path, -self._told))


class _GrowingBody:
    """The body of a file that is still arriving, as bytes or as spans of it."""

    def __init__(self, growing: GrowingFile, progress: _Progress) -> None:
        self._growing = growing
        self._progress = progress

    def __call__(self) -> AsyncGenerator[bytes, None]:
        self._progress.restart()
        return self._growing.read(self._progress)

    def spans(self) -> AsyncGenerator[Span, None]:
        self._progress.restart()
        return self._growing.spans(self._progress)


def _read_hashing(descriptor: int, position: int, hashes: hashlib._Hash) -> list[bytes]:
    """Read some blocks and hash them, in one visit to a thread."""
    blocks = []
    for start in range(position, position + AHEAD, BLOCK):
        if not (block := disk.pread(descriptor, BLOCK, start)):
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
