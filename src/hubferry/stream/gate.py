"""How many connections to have open: more while the rate grows, fewer when the hub asks for it."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from hubferry.hubs.ports import Source
    from hubferry.model import RepoFile, RepoRef, Revision

_WINDOW = 0.4
"""Seconds over which a rate is measured before the number of connections is looked at again."""
_REQUEST_WEIGHT = 64 * 1024
"""What one request counts for, in bytes, so that a run of tiny files also has a rate that can grow."""


class Gate:
    """Let at most `limit` connections in, and move the limit between 1 and `most` by what it brings."""

    def __init__(self, most: int, start: int) -> None:
        """Begin with `start` connections."""
        self.most = most
        self.limit = min(start, most)
        self._open = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._moved = 0
        self._since = time.monotonic()
        self._best = 0.0

    async def __aenter__(self) -> None:
        """Wait for a place."""
        while self._open >= self.limit:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        self._open += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._open -= 1
        self._wake()

    def moved(self, count: int) -> None:
        """Count bytes; now and then compare the rate with the best so far and open up while it grows."""
        self._moved += count
        elapsed = time.monotonic() - self._since
        if elapsed < _WINDOW:
            return
        rate = self._moved / elapsed
        if rate > self._best * 1.05 and self._open >= self.limit:
            self._best = rate
            self.limit = min(self.most, self.limit + max(2, self.limit // 2))
            self._wake()
        self._moved, self._since = 0, time.monotonic()

    def busy(self) -> None:
        """Halve the connections: the hub said 429 or 503."""
        self.limit = max(1, self.limit // 2)
        self._best = float("inf")

    def _wake(self) -> None:
        for _ in range(max(0, self.limit - self._open)):
            while self._waiters:
                waiter = self._waiters.pop(0)
                if not waiter.done():
                    waiter.set_result(None)
                    break


class GatedSource:
    """A source whose traffic the gate sees."""

    def __init__(self, source: Source, gate: Gate) -> None:
        """Wrap `source`."""
        self._source = source
        self._gate = gate

    @property
    def ignores_ranges(self) -> bool:
        """As the wrapped source."""
        return self._source.ignores_ranges

    async def resolve(self, ref: RepoRef) -> Revision:
        """Pass on."""
        return await self._source.resolve(ref)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Pass on."""
        return await self._source.files(revision)

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Pass on, counting; a busy hub narrows the gate."""
        self._gate.moved(_REQUEST_WEIGHT)
        try:
            async with aclosing(self._source.read(revision, file, start, stop)) as pieces:
                async for piece in pieces:
                    self._gate.moved(len(piece))
                    yield piece
        except BusyError:
            self._gate.busy()
            raise

    async def close(self) -> None:
        """Close the wrapped source."""
        await self._source.close()
