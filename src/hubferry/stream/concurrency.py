"""How many connections to have open: more while the rate grows, fewer when the hub asks for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.errors import BusyError
from hubferry.hubs.wrapping import WrappedSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from hubferry.hubs.ports import Piece, Source
    from hubferry.model import RepoFile, Revision

_WINDOW = 0.6
"""Seconds over which a rate is measured."""
_IMPRESSION = 0.1
"""Seconds after which what has come says something about how large parts may be."""
_STEP = 4
"""A fourth more connections at a time: on a link that is full already, every one makes each part slower,
and the uploads that wait for parts lose what the trial takes (measured: docs/adr/0004)."""
_SHARE = 0.5
"""What part of its proportional share a trial has to bring for its connections to be worth keeping."""
_AGAIN = 30.0
"""Seconds after which it is tried once more whether more connections bring more."""
_PART_SECONDS = 0.5
"""How long a part should take: long beside a request's latency, short for an upload that waits for it."""


class ConcurrencyLimit:
    """Let at most `limit` connections in, and move the limit between 1 and `most` by what it brings.

    After a window to settle and one to measure, the limit grows by a fourth; if the rate did not grow with
    it, it goes back. More connections than the link needs only make each part slower, and uploads wait for
    parts.
    """

    def __init__(self, most: int, start: int) -> None:
        """Begin with `start` connections."""
        self.most = most
        self.limit = min(start, most)
        self.rate = 0.0
        self._before: tuple[int, float] | None = None
        self._open = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._moved = 0
        self._since = time.monotonic()
        self._fresh = True
        self._settled_at: float | None = None if self.limit < most else math.inf

    async def __aenter__(self) -> None:
        """Wait for a place."""
        while self._open >= self.limit:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._wake()  # the place may have been offered in this very moment: the next one may have it
                raise
        self._open += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._open -= 1
        self._wake()

    def moved(self, count: int) -> None:
        """Count bytes; at the end of a window look at what they say about the number of connections."""
        self._moved += count
        now = time.monotonic()
        elapsed = now - self._since
        if elapsed < _WINDOW:
            return
        self.rate, self._moved, self._since = self._moved / elapsed, 0, now
        if self._settled_at is not None:
            if now - self._settled_at > _AGAIN:
                self._settled_at, self._fresh, self._before = None, True, None
        elif self._fresh:
            self._fresh = False
        elif self._open >= self.limit:
            self._judge(now)

    def part_size(self, smallest: int, largest: int) -> int:
        """Return the bytes that one connection moves in a fitting time, between the two bounds."""
        rate = self.rate or self._first_impression()
        return int(min(largest, max(smallest, rate / max(1, self._open) * _PART_SECONDS)))

    def _first_impression(self) -> float:
        """Return the rate so far, before a window is over: a fast link would be through with many parts."""
        elapsed = time.monotonic() - self._since
        return self._moved / elapsed if elapsed >= _IMPRESSION else 0.0

    def busy(self) -> None:
        """Halve the connections: the hub said 429 or 503. They do not grow again in this run."""
        self.limit = max(1, self.limit // 2)
        self._settled_at = math.inf

    def _judge(self, now: float) -> None:
        before, self._before = self._before, (self.limit, self.rate)
        if before is not None and self.rate < before[1] * (1 + (self.limit / before[0] - 1) * _SHARE):
            self.limit = before[0]
            self._settled_at = now
        elif self.limit < self.most:
            self.limit = min(self.most, self.limit + max(1, self.limit // _STEP))
            self._fresh = True
            self._wake()
        else:
            self._settled_at = now

    def _wake(self) -> None:
        for _ in range(max(0, self.limit - self._open)):
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    break


class ConcurrencyLimitedSource(WrappedSource):
    """A source whose traffic the limits see."""

    def __init__(self, source: Source, concurrency: ConcurrencyLimit, *others: ConcurrencyLimit) -> None:
        """Wrap `source`. `concurrency` learns from what moves; all are narrowed when the hub is busy."""
        super().__init__(source)
        self._concurrency = concurrency
        self._limits = {concurrency, *others}

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Pass on, counting; a busy hub narrows the limits."""
        try:
            async with aclosing(self._source.read(revision, file, start, stop)) as pieces:
                async for piece in pieces:
                    self._concurrency.moved(len(piece))
                    yield piece
        except BusyError:
            self._narrow()
            raise

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Pass on, counting; a busy hub narrows the limits."""
        try:
            content = await self._source.whole(revision, file)
        except BusyError:
            self._narrow()
            raise
        self._concurrency.moved(len(content))
        return content

    def _narrow(self) -> None:
        for concurrency in self._limits:
            concurrency.busy()
