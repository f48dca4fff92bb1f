"""A door in front of a hub: it counts what passes and lets it pass at the rate of a link.

The door stands between the real transport and the server's protocol, so heads, JSON and commits are shaped
and counted like blobs. Bytes are held until the moment at which the link would have brought the last of them.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

from benchmarks.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.flow import Line

_QUEUE_HIGH = 256 << 10
_QUEUE_LOW = 64 << 10
_SOCKET_BUFFER = 128 << 10
_READ_AHEAD = 256 << 10
"""Bytes that may wait for their moment, so that who sends without a pause is not taken for idle."""


class _Outside(asyncio.Transport):
    """The transport as the server's protocol sees it."""

    def __init__(self, connection: Connection, real: asyncio.Transport) -> None:
        super().__init__()
        self._connection = connection
        self._real = real
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket" and self._connection.limited:
            return default  # who sends files past the transport would send them past the link
        return self._real.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closing or self._real.is_closing()

    def close(self) -> None:
        self._closing = True
        if not self._connection.outward.held:
            self._real.close()

    def abort(self) -> None:
        self._closing = True
        self._connection.outward.clear()
        self._real.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        # the caller may use a bytearray again, so what is held must be a copy
        self._connection.outward.push(data if isinstance(data, bytes) else bytes(data))
        self._connection.press()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return self._connection.outward.held + self._real.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._connection.hold_reading(inner=True)

    def resume_reading(self) -> None:
        self._connection.hold_reading(inner=False)

    def is_reading(self) -> bool:
        return self._real.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._connection.inner = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._connection.inner
        return protocol


class Connection(asyncio.Protocol):
    """One client's connection, shaped and counted."""

    def __init__(self, line: Line, inner: asyncio.BaseProtocol) -> None:
        """Stand in front of `inner`, the server's protocol."""
        self.inner: Any = inner
        self._line = line
        self._inner_wants_pause = False
        self._reading = True
        self._pressed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make both flows and show the server's protocol its transport."""
        self._real = cast("asyncio.Transport", transport)
        line = self._line
        self.limited = line.limited
        loop = asyncio.get_running_loop()
        if self.limited:
            # megabytes in the kernel would count as sent, and no client would have seen them
            self._real.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER
            )
        self.outward = Flow(line.rates, line.shared_out, loop, self._send)
        self._inward = Flow(line.rates, line.shared_in, loop, self._receive)
        self.outward.changed = self.press
        self._inward.changed = self._regulate_reading
        self._outside = _Outside(self, self._real)
        self.inner.connection_made(self._outside)

    def data_received(self, data: bytes) -> None:
        """Hold what arrived until its moment, and read on only then."""
        self._inward.push(data)
        self._regulate_reading()

    def eof_received(self) -> bool | None:
        """Pass on."""
        closed: bool | None = self.inner.eof_received()
        return closed

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was on its way."""
        self.outward.clear()
        self._inward.clear()
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait, the client reads slower than the link."""
        self.outward.blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self.outward.unblock()

    def press(self) -> None:
        """Let the server's protocol write as long as little is held, and close when it wanted to."""
        held = self.outward.held
        if not self._pressed and held > _QUEUE_HIGH:
            self._pressed = True
            self.inner.pause_writing()
        elif self._pressed and held < _QUEUE_LOW:
            self._pressed = False
            self.inner.resume_writing()
        if not held and self._outside.is_closing():
            self._real.close()

    def hold_reading(self, *, inner: bool) -> None:
        """Note what the server's protocol wants."""
        self._inner_wants_pause = inner
        self._regulate_reading()

    def _regulate_reading(self) -> None:
        wanted = not self._inner_wants_pause and self._inward.held < _READ_AHEAD
        if wanted != self._reading and not self._real.is_closing():
            self._reading = wanted
            if wanted:
                self._real.resume_reading()
            else:
                self._real.pause_reading()

    def _send(self, piece: bytes | memoryview) -> None:
        if self.limited:
            self._line.sent += len(piece)
        self._real.write(piece)

    def _receive(self, piece: bytes | memoryview) -> None:
        self._line.received += len(piece)
        self.inner.data_received(piece if isinstance(piece, bytes) else bytes(piece))
