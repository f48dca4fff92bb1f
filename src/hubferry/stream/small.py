"""Fetch small files: whole, in memory, many at once, and write them to the disk in batches.

A batch is whatever waits when the disk is free again.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError
from hubferry.events import FileStarted
from hubferry.stream.arrivals import wrong_bytes
from hubferry.stream.growing import Hashes
from hubferry.stream.schedule import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from hubferry.events import Listener
    from hubferry.hubs.ports import Source
    from hubferry.model import Digests, RepoFile, Revision
    from hubferry.stream.arrivals import Arrivals
    from hubferry.stream.concurrency import ConcurrencyLimit

_ROOM = 48 * MIB
"""Bytes that may be in memory at once: on their way, waiting for the disk, being written."""
_MOST_REMEMBERED = 16 * MIB
"""Bytes of files, in all, that are kept in memory for the commit that they go into."""
_AT_ONE_GO = 32 * 1024
"""Largest file, in bytes, whose fetch begins anew when the connection breaks: little is lost."""
_HASHED_AT_ONCE = 32 * 1024
"""Bytes of a file that is hashed without giving the loop's turn away: while threads are busy, taking it back
costs as much as hashing that."""


class SmallFiles:
    """The lane of the small files: bound by the time of a request, not by bandwidth."""

    def __init__(
        self,
        source: Source,
        revision: Revision,
        arrivals: Arrivals,
        *,
        concurrency: ConcurrencyLimit,
        put_many: Callable[[list[tuple[RepoFile, bytes, Digests]]], asyncio.Future[None]],
        listen: Listener,
    ) -> None:
        """Take what is needed; `put_many` verifies and stores a batch, in a thread.

        What the files to `remember` contain is kept in `contents` once it is stored, up to a limit in all.
        """
        self._source = source
        self._revision = revision
        self._arrivals = arrivals
        self._concurrency = concurrency
        self._put_many = put_many
        self._listen = listen
        self._files: list[RepoFile] = []
        self._fetched: asyncio.Queue[tuple[RepoFile, bytes, Digests]] = asyncio.Queue()
        self._taken = 0
        self._freed = asyncio.Event()
        self.remember: AbstractSet[str] = frozenset()
        self._remembered = 0
        self.contents: dict[str, bytes] = {}

    def add(self, file: RepoFile) -> None:
        """Take in a file; the last one added is fetched first."""
        self._files.append(file)

    def jobs(self) -> list[asyncio.Task[None]]:
        """Start as many workers as the files are worth, and the writer."""
        if not self._files:
            return []
        workers = [self._work() for _number in range(min(self._concurrency.most, len(self._files)))]
        return [asyncio.create_task(job) for job in (*workers, self._write())]

    async def _work(self) -> None:
        while self._files:
            file = self._files.pop()
            await self._take_room(file.size or 0)
            async with self._concurrency:
                await self._fetch(file)

    async def _take_room(self, size: int) -> None:
        while self._taken and self._taken + size > _ROOM:
            await self._freed.wait()
        self._taken += size

    def _give_room(self, size: int) -> None:
        self._taken -= size
        self._freed.set()
        self._freed = asyncio.Event()

    async def _fetch(self, file: RepoFile) -> None:
        try:
            while not await self._fetched_right(file):
                if not self._arrivals.may_try_again(file):
                    raise wrong_bytes(file)
        except HubferryError as error:
            if not self._arrivals.concerns_one_file(error):
                raise
            self._give_room(file.size or 0)
            self._arrivals.fail(file.path, error)

    async def _fetched_right(self, file: RepoFile) -> bool:
        size = file.size or 0
        self._listen(FileStarted("fetch", file.path, size))
        hashes, content = Hashes(file, size), await self._content(file, size)
        if len(content) <= _HASHED_AT_ONCE:
            hashes.update_at_once(content)
        else:
            hashes.update(content)
        self._arrivals.count(file.path, len(content))
        digests = hashes.digests()
        if not digests.fit(file):
            return False
        await self._fetched.put((file, content, digests))
        return True

    async def _content(self, file: RepoFile, size: int) -> bytes:
        """Fetch a file: at one go while it is so small that going on in the middle would save nothing."""
        if not size:
            return b""
        if size <= _AT_ONE_GO:
            return await self._source.whole(self._revision, file)
        content = bytearray()
        async with aclosing(self._source.read(self._revision, file, 0, size)) as stream:
            async for piece in stream:
                content += piece
        return bytes(content)

    async def _write(self) -> None:
        while True:
            batch = [await self._fetched.get()]
            while not self._fetched.empty():
                batch.append(self._fetched.get_nowait())
            await self._put_many(batch)
            self._give_room(sum(file.size or 0 for file, _content, _digests in batch))
            for file, content, digests in batch:
                self._keep(file.path, content)
                self._arrivals.arrive(file, digests)

    def _keep(self, path: str, content: bytes) -> None:
        if path in self.remember and self._remembered + len(content) <= _MOST_REMEMBERED:
            self._remembered += len(content)
            self.contents[path] = content
