"""From a file to a socket inside the kernel, on any event loop; plain connections only."""

from __future__ import annotations

import asyncio
import errno
import os
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
_IN_A_ROW = 1 << 20
"""Bytes after which the loop's other work has its turn, however fast the other side is."""


class Way:
    """The way of spans into the socket of a transport: past the transport, once that is empty."""

    def __init__(self) -> None:
        """Begin without a socket."""
        self._descriptor = -1
        self._in_a_row = 0

    async def send(self, transport: asyncio.Transport, span: Span) -> None:
        """Send a span; nothing, when the transport is closing."""
        await flushed(transport)
        if transport.is_closing():
            return
        if self._descriptor < 0:
            # the loop keeps the transport's own descriptor to itself
            self._descriptor = os.dup(transport.get_extra_info("socket").fileno())
        await send(self._descriptor, span)
        self._in_a_row += len(span)
        if self._in_a_row >= _IN_A_ROW:
            self._in_a_row = 0
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Let go of the socket."""
        if self._descriptor >= 0:
            os.close(self._descriptor)


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


async def send(socket: int, span: Span, ready: Callable[[int], Awaitable[None]] = writable) -> None:
    """Hand a span to a socket that does not block.

    Args:
        socket: A descriptor that no transport uses: `os.dup` of one of theirs.
        span: What to send.
        ready: Waits until the socket takes more.

    Raises:
        ConnectionError: The other side is gone.
        OSError: The file cannot be read, or ends early.
    """
    start = span.start
    while start < span.stop:
        stop = min(span.stop, start + _IN_A_ROW)
        if not _at_hand(span.descriptor, stop - 1):
            await asyncio.get_running_loop().run_in_executor(None, _bring, span.descriptor, start, stop)
        try:
            sent = os.sendfile(socket, span.descriptor, start, stop - start)
        except BlockingIOError:
            await ready(socket)
            continue
        if not sent:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        start += sent
        if start < span.stop:
            await asyncio.sleep(0)  # who takes much at once must not keep the loop from the others


def _at_hand(descriptor: int, position: int) -> bool:
    """Return whether a byte of a file is in memory, so that sending what leads up to it waits for no disk."""
    if not _NOW_OR_NOT:
        return True
    try:
        os.preadv(descriptor, [bytearray(1)], position, _NOW_OR_NOT)
    except OSError:  # it is not, or this filesystem cannot tell
        return False
    return True


def _bring(descriptor: int, start: int, stop: int) -> None:
    """Read a range of a file, so that it is in memory. Blocks."""
    while start < stop and (piece := os.pread(descriptor, min(_PIECE, stop - start), start)):
        start += len(piece)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
