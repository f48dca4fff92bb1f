"""Clients that take nothing of a large answer are let go; who sends files has that patience already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve.hub import hub_of

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGE = 64 << 10
"""Bytes of an answer that systems take in any case: nobody need wait for its client."""
_LARGEST_FILE = 1 << 20
"""Bytes of a file that is sent in one go, from memory."""


async def watch_taking(request: web.Request, response: web.StreamResponse) -> None:
    """Watch over an answer that is about to be sent from memory, where that is a large one."""
    length, transport = response.content_length or 0, request.transport
    if transport is None or length <= _LARGE:
        return
    if isinstance(response, web.Response) or length <= _LARGEST_FILE:
        # where aiohttp calls it otherwise one day, nobody is watched
        Watch(
            transport,
            lambda: bool(getattr(response, "_eof_sent", True)),
            hub_of(request).limits.idle_seconds,
        )


class Watch:
    """Look now and then whether a connection gets rid of what it was given, and break it off if not."""

    def __init__(self, transport: asyncio.Transport, is_over: Callable[[], bool], seconds: float) -> None:
        """Look every so many seconds until it `is_over`. What is left only ever becomes less."""
        self._transport = transport
        self._is_over = is_over
        self._seconds = seconds
        self._left: int | None = None
        self._again()

    def _again(self) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        if self._is_over() or self._transport.is_closing():
            return
        left = self._transport.get_write_buffer_size()
        if left and left == self._left:
            self._transport.abort()
            return
        self._left = left
        self._again()
