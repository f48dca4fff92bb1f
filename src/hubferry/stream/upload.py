"""Send blobs to the destination: from a file that is still growing, or from the cache, proven either way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk_errors
from hubferry.events import FileDone, Listener
from hubferry.model import Blob
from hubferry.stream.bodies import CachedBody, GrowingBody, SendProgress
from hubferry.stream.growing import StartedOverError
from hubferry.stream.turns import Turn, Turns

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from hubferry.hubs.ports import Body, Destination
    from hubferry.model import RepoFile, RepoRef
    from hubferry.stream.download import Download
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
        self._turns = Turns(slots)
        self._executor = executor
        self._listen = listen
        self.sent = 0

    async def send_growing(self, file: RepoFile, sha256: str, download: Download) -> None:
        """Send a file while it arrives; when it turns out wrong and is fetched anew, begin again.

        One that has arrived before its turn came is read from the cache: no file stays open for its turn.
        """

        async def send(turn: Turn) -> None:
            while not download.has_arrived(file.path):
                try:
                    await self._send_following(file, sha256, download, turn)
                except StartedOverError:
                    continue
                return
            await self._send_cached(file, sha256, turn)

        await self._turns.take(file.size or 0, send)

    async def send_cached(self, file: RepoFile, sha256: str) -> None:
        """Send a file of the cache, hashed once more on its way: its last block waits for the digest."""
        await self._turns.take(file.size or 0, lambda turn: self._send_cached(file, sha256, turn))

    async def _send_following(self, file: RepoFile, sha256: str, download: Download, turn: Turn) -> None:
        async with download.following(file.path) as growing:
            with disk_errors(growing.partial.path):  # the system reads it, where it sends spans
                progress = SendProgress(self._listen, file, turn.moved, download.sent)
                await self._send(file, sha256, GrowingBody(growing, sha256, progress), progress, turn)

    async def _send_cached(self, file: RepoFile, sha256: str, turn: Turn) -> None:
        progress = SendProgress(self._listen, file, turn.moved)
        body = CachedBody(file, sha256, progress, self._held, self._executor)
        await self._send(file, sha256, body, progress, turn)

    async def _send(
        self, file: RepoFile, sha256: str, body: Body, progress: SendProgress, turn: Turn
    ) -> None:
        size = file.size or 0
        try:
            await self._destination.upload(self._ref, Blob(sha256, size, file.path), body)
        except StartedOverError:
            progress.go_back()
            raise
        except asyncio.CancelledError:
            if turn.put_back:
                progress.go_back()
            raise
        progress.begin()
        self.sent += size - progress.there
        self._listen(FileDone("send", file.path, size))
