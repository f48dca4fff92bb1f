"""Clients that take nothing of a large answer are let go; who sends files has that patience already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.serve.hub import hub_of

if TYPE_CHECKING:
    from aiohttp import web

_LARGE = 64 << 10
"""Bytes of an answer that systems take in any case: nobody need wait for its client."""


async def watch_taking(request: web.Request, response: web.StreamResponse) -> None:
    """Watch over an answer that is about to be sent from memory, where that is a large one."""
    if (response.content_length or 0) > _LARGE and request.transport is not None:
        _Watch(request.transport, hub_of(request).limits.idle_seconds)


class _Watch:
    """Look now and then whether a connection gets rid of what it was given, and break it off if not."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._left: int | None = None
        self._again()

    def _again(self) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        left = self._transport.get_write_buffer_size()
        if not left or self._transport.is_closing():
            return
        if left == self._left:
            self._transport.abort()
            return
        self._left = left
        self._again()
