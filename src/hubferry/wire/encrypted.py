"""A connection with TLS whose long bodies are read, encrypted and sent in a thread, past the event loop.

The event loop's own transport encrypts in the loop's thread and copies each byte three times more on its way
(docs/adr/0007-libcurl-measured.md has the numbers). OpenSSL works without the interpreter's lock: in a thread
it uses another core.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.model import Span
from hubferry.wire.failures import BrokenOffError
from hubferry.wire.files import readable, writable

if TYPE_CHECKING:
    import socket
    from typing import Any

_PIECE = 1 << 18
_RECORDS = 16
"""Answers to read in a row before the loop's other work has its turn."""
_buffers = threading.local()


async def encrypted(
    raw: socket.socket, context: ssl.SSLContext, host: str, protocol: asyncio.BufferedProtocol
) -> EncryptedTransport:
    """Agree on keys over a connected socket that does not block; the socket is closed when that fails.

    Raises:
        ssl.SSLError: The host's certificate is not believed, or the two sides do not agree.
        OSError: The connection ended.
    """
    wrapped = context.wrap_socket(
        raw, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=False
    )
    try:
        while True:
            try:
                wrapped.do_handshake()
                break
            except ssl.SSLWantReadError:
                await readable(wrapped.fileno())
            except ssl.SSLWantWriteError:
                await writable(wrapped.fileno())
    except BaseException:
        wrapped.close()
        raise
    return EncryptedTransport(wrapped, protocol)


class EncryptedTransport(asyncio.Transport):
    """What a `Connection` needs of a transport, and `send`. One thread at a time uses the socket."""

    def __init__(self, connected: ssl.SSLSocket, protocol: asyncio.BufferedProtocol) -> None:
        """Take over a socket that does not block and over which keys are agreed on."""
        super().__init__()
        self._socket = connected
        self._descriptor = connected.fileno()
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._backlog = bytearray()
        self._visit: asyncio.Future[int] | None = None
        self._room: asyncio.Future[None] | None = None
        self._closing = False
        self._broken = False
        self._reading = True
        protocol.connection_made(self)
        self._loop.add_reader(self._descriptor, self._read)

    def is_closing(self) -> bool:
        """Whether it is closed, or takes nothing more."""
        return self._closing or self._broken

    def get_write_buffer_size(self) -> int:
        """Bytes that `write` could not hand on yet."""
        return len(self._backlog)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give the socket, which is also what knows how its encryption ended."""
        return self._socket if name in ("socket", "ssl_object") else default

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""
        self._reading = False
        self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        """Read again, first what OpenSSL has decrypted already."""
        self._reading = True
        if not self._closing and self._visit is None:
            self._loop.add_reader(self._descriptor, self._read)
            self._loop.call_soon(self._read)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send something short, such as a request's head."""
        if self._closing:
            return
        self._backlog += data
        if self._visit is None:
            self._flush()

    async def send(self, piece: memoryview | bytes | Span) -> None:
        """Send a piece of a body, in a thread; nothing when the transport is closing.

        Returns or raises when no thread uses the piece any more, also after a cancellation. When the other
        side takes nothing more, what it has answered is still to be read: that says why.

        Raises:
            OSError: A span's file cannot be read or ends early.
        """
        start = 0
        while start < len(piece) and not self.is_closing():
            if self._backlog:
                await self._writable()
                self._flush()
                continue
            sent = await self._visited(piece, start)
            start += sent
            if start < len(piece) and not self.is_closing():
                await self._writable()

    async def _writable(self) -> None:
        """Return when the socket takes more, or is closed.

        Once it is closed its number may be another connection's, whose writer is not ours to remove.
        """
        self._room = self._loop.create_future()
        self._loop.add_writer(self._descriptor, self._has_room)
        try:
            await self._room
        finally:
            self._room = None
            if self._descriptor >= 0:
                self._loop.remove_writer(self._descriptor)

    def _has_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _visited(self, piece: memoryview | bytes | Span, start: int) -> int:
        """Let a thread send what the socket takes at once; return how much that was."""
        self._loop.remove_reader(self._descriptor)  # OpenSSL's object is for one thread at a time
        visit = self._visit = self._loop.run_in_executor(None, self._push, piece, start)
        try:
            await asyncio.wait({visit})
        except asyncio.CancelledError:
            self._closing = True  # the thread stops at its next piece
            while not visit.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({visit})
            raise
        finally:
            self._visit = None
            if self._closing:
                self._end(None)
            elif self._reading:
                self._loop.add_reader(self._descriptor, self._read)
                self._loop.call_soon(self._read)
        return visit.result()

    def _push(self, piece: memoryview | bytes | Span, start: int) -> int:
        """Send from `start` on until the socket takes no more. Runs in a thread."""
        begun, length = start, len(piece)
        while start < length and not self._closing:
            count = min(_PIECE, length - start)
            if isinstance(piece, Span):
                view = _from_file(piece.descriptor, piece.start + start, count)
            else:
                view = memoryview(piece)[start : start + count]
            try:
                start += self._socket.send(view)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                break
            except OSError:
                self._broken = True
                break
        return start - begun

    def abort(self) -> None:
        """Close at once, or as soon as no thread uses the socket."""
        if not self._closing:
            self._closing = True
            if self._visit is None:
                self._end(None)

    def close(self) -> None:
        """Close at once."""
        self.abort()

    def _end(self, error: Exception | None) -> None:
        """Let go of the socket, once; tell the protocol."""
        self._closing = True
        if self._descriptor < 0:
            return
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._descriptor = -1
        self._has_room()
        self._socket.close()
        self._loop.call_soon(self._protocol.connection_lost, error)

    def _read(self) -> None:
        """Read what has come, unless a thread uses the socket."""
        for _record in range(_RECORDS):
            if self._closing or self._visit is not None or not self._reading:
                return
            buffer = self._protocol.get_buffer(-1)
            try:
                count = self._socket.recv_into(buffer)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except ssl.SSLError:
                self._end(BrokenOffError())  # cut off: whoever ends it as it should says so
                return
            except OSError as error:
                self._end(error)
                return
            if not count:
                self._protocol.eof_received()
                self._end(None)
                return
            self._protocol.buffer_updated(count)
        if self._socket.pending():
            self._loop.call_soon(self._read)

    def _flush(self) -> None:
        """Send what `write` has left, as far as it goes now."""
        if self._visit is not None or self._closing:
            return
        try:
            while self._backlog:
                del self._backlog[: self._socket.send(self._backlog)]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self._loop.add_writer(self._descriptor, self._flush)
            return
        except OSError as error:
            self._end(error)
            return
        self._loop.remove_writer(self._descriptor)


def _from_file(descriptor: int, start: int, count: int) -> memoryview:
    """Read all of a range into this thread's buffer: fresh memory for each piece would cost more."""
    buffer: memoryview | None = getattr(_buffers, "piece", None)
    if buffer is None:
        buffer = _buffers.piece = memoryview(bytearray(_PIECE))
    filled = 0
    while filled < count:
        got = os.preadv(descriptor, [buffer[filled:count]], start + filled)
        if not got:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        filled += got
    return buffer[:count]
