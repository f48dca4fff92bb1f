"""Blobs on their way in: hashed as they land, visible only when every byte is right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.serve.hub import hub_of
from hubferry.serve.parts import StoredPart, new_etag
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    import hashlib
    from collections.abc import AsyncIterator

    from aiohttp import web

    from hubferry.serve.blobs import Incoming
    from hubferry.serve.hub import Hub, ServerLimits

_BLOCK = 1 << 20


async def receive_blob(request: web.Request, sha256: str, size: int) -> None:
    """Store a request's body as the blob it is said to be.

    Raises:
        Refusal: Not of `size` bytes, or not hashing to `sha256`.
    """
    hub = hub_of(request)
    incoming = await asyncio.to_thread(hub.store.blobs.receive)
    try:
        async for block in _blocks(request, hub):
            if incoming.size + sum(map(len, block)) > size:
                raise Refusal(Reason.WRONG_BYTES, f"more than {size} bytes arrived", about=sha256)
            await asyncio.to_thread(incoming.write, *block)
        if incoming.size != size:
            raise Refusal(Reason.WRONG_BYTES, f"{incoming.size} bytes arrived, not {size}", about=sha256)
        await asyncio.to_thread(incoming.publish, sha256)
    finally:
        incoming.discard()


async def receive_part(request: web.Request, size: int) -> StoredPart:
    """Store a request's body as one part of a blob, whatever it holds.

    Raises:
        Refusal: Not of `size` bytes.
    """
    hub = hub_of(request)
    incoming = await asyncio.to_thread(hub.store.blobs.receive)
    digest, kept = new_etag(), False
    try:
        async for block in _blocks(request, hub):
            if incoming.size + sum(map(len, block)) > size:
                raise Refusal(Reason.WRONG_BYTES, f"more than {size} bytes arrived")
            await asyncio.to_thread(_take, incoming, digest, block)
        if incoming.size != size:
            raise Refusal(Reason.WRONG_BYTES, f"{incoming.size} bytes arrived, not {size}")
        path = incoming.set_aside()
        kept = True
        return StoredPart(digest.hexdigest(), path)
    finally:
        if not kept:
            incoming.discard()


def _take(incoming: Incoming, digest: hashlib._Hash, block: list[bytes]) -> None:
    for piece in block:
        digest.update(piece)
    incoming.write(*block)


async def _blocks(request: web.Request, hub: Hub) -> AsyncIterator[list[bytes]]:
    """Yield a body in blocks so big that handing one to a thread costs little; joining it would be a copy."""
    gathered: list[bytes] = []
    count = 0
    async for chunk in read_chunks(request, hub):
        gathered.append(chunk)
        count += len(chunk)
        if count >= _BLOCK:
            yield gathered
            gathered, count = [], 0
    if count:
        yield gathered


async def read_chunks(request: web.Request, hub: Hub) -> AsyncIterator[bytes]:
    """Yield a body as it arrives, at the pace the hub is given.

    Raises:
        Refusal: The client has sent nothing, or next to nothing, for too long.
    """
    # one timer a body: a timeout around each read would cost a task for every few kilobytes
    watch = _Watch(request, hub.limits)
    try:
        while True:
            chunk, _ended = await request.content.readchunk()  # as it came: `readany` would join and copy
            if not chunk:
                if request.content.at_eof():
                    return
                continue  # the end of a chunk
            watch.taken += len(chunk)
            if hub.seams.pace is not None:
                await hub.seams.pace(request, "in", len(chunk))
            yield chunk
    finally:
        watch.stop()


class _Watch:
    """Break off a body that brings too little, counted anew in each `idle_seconds`.

    Time in which the hub itself takes nothing, since its disk is busy, is not the client's: then something
    has arrived and waits here.
    """

    def __init__(self, request: web.Request, limits: ServerLimits) -> None:
        self.taken = 0
        self._content = request.content
        self._arrived = 0
        self._seconds = limits.idle_seconds
        self._least = max(1, int(limits.slowest * limits.idle_seconds))
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        arrived = self._content.total_bytes
        waiting = arrived > self.taken or self._content.is_eof()
        if arrived - self._arrived < self._least and not waiting:
            self._content.set_exception(Refusal(Reason.TOO_SLOW, "Too little arrived for too long"))
            return
        self._arrived = arrived
        self._timer = self._loop.call_later(self._seconds, self._look)

    def stop(self) -> None:
        self._timer.cancel()
