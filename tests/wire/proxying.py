"""Proxies that lead everybody to one port of this machine: SOCKS 4, 4a and 5 (RFC 1928, RFC 1929), HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lines import Talk

_NO_LOGIN, _LOGIN, _NOTHING_OFFERED = 0, 2, 255
_V4, _NAME, _V6 = 1, 3, 4
_GRANTED = 90


class Socks:
    """Speaks whichever SOCKS it is spoken to in.

    Attributes:
        asked: Where it was to lead, `host:port`.
        logins: Who came.
    """

    def __init__(self, port: int, *, login: tuple[str, str] | None = None, answers: list[int] | None = None):
        """Lead to `port`; `answers` are the codes of the first answers, instead of success."""
        self._port, self._login = port, login
        self._answers = list(answers or [])
        self.asked: list[str] = []
        self.logins: list[tuple[str, str]] = []

    async def talk(self, line: Talk) -> None:
        """Serve one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            (version,) = await line.reader.readexactly(1)
            connected = await (self._four(line) if version == 4 else self._five(line))
            if connected:
                await pumped(line, self._port)

    async def _four(self, line: Talk) -> bool:
        _command, port, address = struct.unpack(">BH4s", await line.reader.readexactly(7))
        self.logins.append(((await line.reader.readuntil(b"\0"))[:-1].decode(), ""))
        host = str(ipaddress.IPv4Address(address))
        if host.startswith("0.0.0.") and host != "0.0.0.0":
            host = (await line.reader.readuntil(b"\0"))[:-1].decode()
        self.asked.append(f"{host}:{port}")
        code = self._answers.pop(0) if self._answers else _GRANTED
        line.writer.write(struct.pack(">BBHI", 0, code, 0, 0))
        return code == _GRANTED

    async def _five(self, line: Talk) -> bool:
        reader, writer = line.reader, line.writer
        (count,) = await reader.readexactly(1)
        offered = await reader.readexactly(count)
        wanted = _LOGIN if self._login else _NO_LOGIN
        writer.write(bytes([5, wanted if wanted in offered else _NOTHING_OFFERED]))
        if wanted not in offered or (self._login and not await self._is_let_in(line)):
            return False
        _version, _command, _zero, kind = await reader.readexactly(4)
        if kind == _NAME:
            (length,) = await reader.readexactly(1)
            host = (await reader.readexactly(length)).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(16 if kind == _V6 else 4)))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append(f"{host}:{port}")
        code = self._answers.pop(0) if self._answers else 0
        writer.write(bytes([5, code, 0, _V4, 0, 0, 0, 0, 0, 0]))
        return not code

    async def _is_let_in(self, line: Talk) -> bool:
        await line.reader.readexactly(1)
        said = []
        for _word in range(2):
            (length,) = await line.reader.readexactly(1)
            said.append((await line.reader.readexactly(length)).decode())
        self.logins.append((said[0], said[1]))
        good = self.logins[-1] == self._login
        line.writer.write(bytes([1, 0 if good else 1]))
        return good


def connecting(port: int, asked: list[bytes]) -> Callable[[Talk], Awaitable[None]]:
    """Make a proxy of HTTP that opens tunnels to `port` and passes what is for plain http on."""

    async def talk(line: Talk) -> None:
        head = await line.asked()
        asked.append(head)
        if head.startswith(b"CONNECT"):
            await line.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await pumped(line, port)
        elif head:
            await pumped(line, port, head)

    return talk


async def pumped(line: Talk, port: int, first: bytes = b"") -> None:
    """Pass everything on, both ways, until one side has had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.close()

    try:
        await asyncio.gather(pump(line.reader, writer), pump(reader, line.writer))
    finally:
        writer.transport.abort()
