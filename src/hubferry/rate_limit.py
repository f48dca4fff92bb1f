"""Limit the bytes a second in each direction, as wrappers around the ports."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.hubs.ports import PartedBody
from hubferry.hubs.wrapping import WrappedDestination, WrappedSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from hubferry.hubs.ports import Body, Destination, Piece, Source
    from hubferry.model import Blob, CommitAction, RepoFile, RepoRef, Revision

    Pacing = Callable[[AsyncGenerator[bytes, None]], AsyncGenerator[bytes, None]]

_BURST = 0.1
"""Seconds of the rate that may pass at once."""


class TokenBucket:
    """Let `rate` bytes a second through, shared by everybody who asks."""

    def __init__(self, rate: int) -> None:
        """Begin full."""
        self._rate = rate
        self._free_at = 0.0

    async def take(self, count: int) -> None:
        """Wait until `count` bytes may pass."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - _BURST) + count / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


class RateLimitedSource(WrappedSource):
    """A source that is read at a limited rate."""

    def __init__(self, source: Source, rate: int) -> None:
        """Wrap `source`; `rate` is in bytes a second."""
        super().__init__(source)
        self._bucket = TokenBucket(rate)

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Pass on, not faster than the rate."""
        async with aclosing(self._source.read(revision, file, start, stop)) as pieces:
            async for piece in pieces:
                await self._bucket.take(len(piece))
                yield piece

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Pass on, not faster than the rate."""
        content = await self._source.whole(revision, file)
        await self._bucket.take(len(content))
        return content


class RateLimitedDestination(WrappedDestination):
    """A destination that is written at a limited rate."""

    def __init__(self, destination: Destination, rate: int) -> None:
        """Wrap `destination`; `rate` is in bytes a second."""
        super().__init__(destination)
        self._bucket = TokenBucket(rate)
        self._piece = max(4096, min(256 * 1024, rate // 8))

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Pass on, not faster than the rate."""
        paced = _PacedParts(body, self._paced) if isinstance(body, PartedBody) else _Paced(body, self._paced)
        await self._destination.upload(ref, blob, paced)

    async def _paced(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces):
            async for piece in pieces:
                for start in range(0, len(piece), self._piece):
                    part = piece[start : start + self._piece]
                    await self._bucket.take(len(part))
                    yield part

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Pass on; the content of a commit counts when it is made."""
        await self._bucket.take(sum(len(action.content or b"") for action in actions))
        return await self._destination.commit(ref, actions, message, parent)


class _Paced:
    """A body that is given out at a rate."""

    def __init__(self, body: Body, paced: Pacing) -> None:
        self._body = body
        self._paced = paced

    def __call__(self) -> AsyncGenerator[bytes, None]:
        return self._paced(self._body())


class _PacedParts(_Paced):
    """The same for one that comes in parts; what is only read and not sent needs no time."""

    def __init__(self, body: PartedBody, paced: Pacing) -> None:
        super().__init__(body, paced)
        self._parted = body

    def part(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        return self._paced(self._parted.part(start, stop))

    async def digest(self, position: int) -> str:
        return await self._parted.digest(position)
