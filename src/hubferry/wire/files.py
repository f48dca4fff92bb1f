"""From a file to a socket inside the kernel, on any event loop; plain connections only."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubferry.model import Span

POSSIBLE = hasattr(os, "sendfile")
"""Whether the system has such a call: Linux and macOS do, Windows does not."""
_POLL_SECONDS = 0.001
_NOW_OR_NOT = getattr(os, "RWF_NOWAIT", 0)
"""Linux's flag for a read that does not wait for the disk."""
_PIECE = 1 << 18
_LONG_SECONDS = 0.005
"""Seconds after which a call has waited for a disk, if nobody could tell beforehand."""
_AT_ONCE = 1 << 20
"""Bytes after which the loop's other work has its turn, however fast the other side is."""


class Way:
    """The way of spans into the socket of a transport: past the transport, once that is empty."""

    def __init__(self) -> None:
        """Begin without a socket."""
        self._sender: Sender | None = None
        self._in_a_row = 0

    async def send(self, transport: asyncio.Transport, span: Span) -> None:
        """Send a span; nothing, when the transport is closing."""
        await flushed(transport)
        if transport.is_closing():
            return
        if self._sender is None:
            # the loop keeps the transport's own descriptor to itself
            self._sender = Sender(os.dup(transport.get_extra_info("socket").fileno()))
        await self._sender.send(span)
        self._in_a_row += len(span)
        if self._in_a_row >= _AT_ONCE:
            self._in_a_row = 0
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Let go of the socket."""
        if self._sender is not None:
            os.close(self._sender.socket)


class Sender:
    """Hands spans to a socket that does not block, and does not wait for a disk itself either."""

    def __init__(self, socket: int, ready: Callable[[int], Awaitable[None]] | None = None) -> None:
        """Send to `socket`, a descriptor that no transport uses; `ready` waits until it takes more."""
        self.socket = socket
        self._ready = ready or writable
        self._wary = False

    async def send(self, span: Span) -> None:
        """Send a span.

        Raises:
            ConnectionError: The other side is gone.
            OSError: The file cannot be read, or ends early.
        """
        start = span.start
        while start < span.stop:
            stop = min(span.stop, start + _AT_ONCE)
            there = _at_hand(span.descriptor, stop - 1)
            if not there and (self._wary or there is False):
                await asyncio.get_running_loop().run_in_executor(None, _bring, span.descriptor, start, stop)
            begun = time.monotonic()
            try:
                sent = os.sendfile(self.socket, span.descriptor, start, stop - start)
            except BlockingIOError:
                await self._ready(self.socket)
                continue
            if there is None and time.monotonic() - begun > _LONG_SECONDS:
                self._wary = True
            if not sent:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            start += sent
            if start < span.stop:
                await asyncio.sleep(0)  # who takes much at once must not keep the loop from the others


async def flushed(transport: asyncio.Transport) -> None:
    """Return when nothing that was written to `transport` is left in its own buffer, or it closes."""
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(_POLL_SECONDS)


async def writable(descriptor: int) -> None:
    """Return when a socket takes bytes, or would raise."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


async def readable(descriptor: int) -> None:
    """Return when a socket has something to read, or would raise."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _at_hand(descriptor: int, position: int) -> bool | None:
    """Return whether a byte of a file is in memory, None where nobody can tell.

    If it is, sending what leads up to it waits for no disk.
    """
    if not _NOW_OR_NOT:
        return None
    try:
        os.preadv(descriptor, [bytearray(1)], position, _NOW_OR_NOT)
    except BlockingIOError:
        return False
    except OSError:  # this filesystem does not know the flag; whatever else is wrong shows when it is sent
        return None
    return True


def _bring(descriptor: int, start: int, stop: int) -> None:
    """Read a range of a file, so that it is in memory. Blocks."""
    while start < stop and (piece := os.pread(descriptor, min(_PIECE, stop - start), start)):
        start += len(piece)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
