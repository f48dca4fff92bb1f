"""From a file to a socket inside the kernel, on any event loop."""

from __future__ import annotations

import asyncio
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.abc import AbstractStreamWriter

_READ = 1 << 20


async def send_file(
    request: web.BaseRequest, writer: AbstractStreamWriter, file: IO[bytes], start: int, count: int
) -> None:
    """Send `count` bytes of an unbuffered file from `start` on; the head, if still unsent, goes first.

    Raises:
        ConnectionResetError: The client is gone.
        OSError: The file ends early.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    socket = transport.get_extra_info("socket")
    if not hasattr(os, "sendfile") or socket is None or transport.get_extra_info("sslcontext") is not None:
        await _send_blocks(writer, file, start, count)
        return
    writer.send_headers()
    await _until_flushed(transport)
    # the loop keeps the transport's own descriptor to itself, so wait for a copy of it to be writable
    descriptor = os.dup(socket.fileno())
    try:
        await _pump(descriptor, file.fileno(), start, count)
    finally:
        os.close(descriptor)
    writer.output_size += count


async def _until_flushed(transport: asyncio.Transport) -> None:
    while transport.get_write_buffer_size():
        if transport.is_closing():
            raise ConnectionResetError("the client is gone")
        await asyncio.sleep(0.001)


async def _pump(target: int, source: int, start: int, count: int) -> None:
    stop = start + count
    while start < stop:
        try:
            sent = os.sendfile(target, source, start, stop - start)
        except BlockingIOError:
            await _writable(target)
        except (BrokenPipeError, ConnectionError) as error:
            raise ConnectionResetError("the client is gone") from error
        else:
            if not sent:
                raise OSError("a blob on disk is shorter than it was")
            start += sent
            await asyncio.sleep(0)  # a fast client must not keep the loop from the others


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


async def _send_blocks(writer: AbstractStreamWriter, file: IO[bytes], start: int, count: int) -> None:
    stop = start + count
    while start < stop:
        data = await asyncio.to_thread(os.pread, file.fileno(), min(_READ, stop - start), start)
        if not data:
            raise OSError("a blob on disk is shorter than it was")
        await writer.write(data)
        start += len(data)
