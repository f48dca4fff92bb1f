"""Blobs on their way in: hashed as they land, visible only when every byte is right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from hubferry.serve.hub import Hub

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
        Refusal: The client has sent nothing for too long.
    """
    # one timer a body: a timeout around each read would cost a task for every few kilobytes
    watch = _Watch(request, hub.limits.idle_seconds)
    try:
        while True:
            chunk, _ended = await request.content.readchunk()  # as it came: `readany` would join and copy
            if not chunk:
                if request.content.at_eof():
                    return
                continue  # the end of a chunk
            watch.moved = True
            if hub.seams.pace is not None:
                await hub.seams.pace(request, "in", len(chunk))
            yield chunk
    finally:
        watch.stop()


class _Watch:
    """Break off a body of which nothing has arrived for `seconds`, or up to twice as long."""

    def __init__(self, request: web.Request, seconds: float) -> None:
        self.moved = True
        self._content = request.content
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        if not self.moved:
            self._content.set_exception(Refusal(Reason.TOO_SLOW, "Nothing arrived for too long"))
            return
        self.moved = False
        self._timer = self._loop.call_later(self._seconds, self._look)

    def stop(self) -> None:
        self._timer.cancel()
