"""From a file to a socket inside the kernel, on any event loop."""

from __future__ import annotations

import asyncio
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import web
    from aiohttp.abc import AbstractStreamWriter

_READ = 1 << 20


async def send_file(
    request: web.BaseRequest,
    writer: AbstractStreamWriter,
    file: IO[bytes],
    part: range,
    patience: float | None,
) -> None:
    """Send a part of an unbuffered file; the head, if still unsent, goes first.

    Args:
        request: Whose connection to send on.
        writer: Its writer.
        file: Where the bytes are.
        part: Which of them.
        patience: Seconds after which a client that takes nothing is let go.

    Raises:
        ConnectionResetError: The client is gone, or takes nothing.
        OSError: The file ends early.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    socket = transport.get_extra_info("socket")
    if not hasattr(os, "sendfile") or socket is None or transport.get_extra_info("sslcontext") is not None:
        await _send_blocks(writer, file, part, patience)
        return
    writer.send_headers()
    await _patiently(_flushed(transport), patience)
    # the loop keeps the transport's own descriptor to itself, so wait for a copy of it to be writable
    descriptor = os.dup(socket.fileno())
    try:
        await _pump(descriptor, file.fileno(), part, patience)
    finally:
        os.close(descriptor)
    writer.output_size += len(part)


async def _pump(target: int, source: int, part: range, patience: float | None) -> None:
    start = part.start
    while start < part.stop:
        try:
            sent = os.sendfile(target, source, start, part.stop - start)
        except BlockingIOError:
            await _patiently(_writable(target), patience)
        except ConnectionError as error:
            raise ConnectionResetError("the client is gone") from error
        else:
            if not sent:
                raise OSError("a blob on disk is shorter than it was")
            start += sent
            await asyncio.sleep(0)  # a fast client must not keep the loop from the others


async def _patiently(step: Awaitable[object], patience: float | None) -> None:
    try:
        await asyncio.wait_for(step, patience)
    except asyncio.TimeoutError as error:
        raise ConnectionResetError("the client has taken nothing for too long") from error


async def _flushed(transport: asyncio.Transport) -> None:
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0.001)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _send_blocks(
    writer: AbstractStreamWriter, file: IO[bytes], part: range, patience: float | None
) -> None:
    file.seek(part.start)
    left = len(part)
    while left:
        data = await asyncio.to_thread(file.read, min(_READ, left))
        if not data:
            raise OSError("a blob on disk is shorter than it was")
        await _patiently(writer.write(data), patience)
        left -= len(data)
