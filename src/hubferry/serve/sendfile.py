"""A part of a file as the body of an answer, inside the kernel where that can be."""

from __future__ import annotations

import asyncio
import os
from typing import IO, TYPE_CHECKING

from hubferry.model import Span
from hubferry.wire import files

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
    if not files.POSSIBLE or socket is None or transport.get_extra_info("sslcontext") is not None:
        await _send_blocks(writer, file, part, patience)
        return
    writer.send_headers()
    await _patiently(files.flushed(transport), patience)
    # the loop keeps the transport's own descriptor to itself, so wait for a copy of it to be writable
    descriptor = os.dup(socket.fileno())
    try:
        span = Span(file.fileno(), part.start, part.stop)
        sender = files.Sender(descriptor, lambda target: _patiently(files.writable(target), patience))
        await sender.send(span)
    except ConnectionError as error:
        raise ConnectionResetError("the client is gone") from error
    finally:
        os.close(descriptor)
    writer.output_size += len(part)


async def _patiently(step: Awaitable[object], patience: float | None) -> None:
    try:
        await asyncio.wait_for(step, patience)
    except asyncio.TimeoutError as error:
        raise ConnectionResetError("the client has taken nothing for too long") from error


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
