"""Servers on loopback that say, byte for byte, what a test wants said."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from hubferry.wire.place import Place
from hubferry.wire.pool import Outgoing, Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class Talk:
    """One connection as the server sees it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: list[bytes]
    ) -> None:
        self.reader, self.writer, self._heads = reader, writer, heads

    async def asked(self) -> bytes:
        """Read the head of a request; nothing when the client has gone."""
        try:
            self._heads.append(await self.reader.readuntil(b"\r\n\r\n"))
            return self._heads[-1]
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def say(self, *pieces: bytes) -> None:
        """Send each piece in a packet of its own."""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()
                await asyncio.sleep(0.01)

    async def gone(self) -> bool:
        """Return when the client has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass
        return True


async def until(condition: Callable[[], object]) -> None:
    """Return when something has come true; how long that may take is the time limit of the test."""
    while not condition():  # noqa: ASYNC110 - nothing tells when a socket's other end has heard of it
        await asyncio.sleep(0.005)


class Server:
    """Where it listens, and how many connections came."""

    def __init__(self) -> None:
        self.port = 0
        self.scheme = "http"
        self.connections = 0
        self.heads: list[bytes] = []

    @property
    def place(self) -> Place:
        return Place(self.scheme, "127.0.0.1", self.port)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def talking(
    talk: Callable[[Talk], Awaitable[object]], *, host: str = "127.0.0.1", **options: object
) -> AsyncIterator[Server]:
    """Run a server that holds `talk` on each connection, then closes it."""
    server, tasks = Server(), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        tasks.add(asyncio.current_task())
        try:
            await talk(Talk(reader, writer, server.heads))
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, host, 0, **options)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(server: list[bytes] | bytes, *, times: int = 100) -> Callable[[Talk], Awaitable[object]]:
    """Make a talk that answers every request with the same bytes."""
    pieces = server if isinstance(server, list) else [server]

    async def talk(line: Talk) -> None:
        for _number in range(times):
            if not await line.asked():
                return
            await line.say(*pieces)

    return talk


@contextlib.asynccontextmanager
async def pool(*, limit: int = 8, connect_seconds: float = 5, kept_seconds: float = 5) -> AsyncIterator[Pool]:
    """Run a pool and close it."""
    opened = Pool(limit=limit, connect_seconds=connect_seconds, kept_seconds=kept_seconds)
    try:
        yield opened
    finally:
        await opened.close()


def get(target: str = "/", *, method: str = "GET", silence: float = 5, **more: object) -> Outgoing:
    return Outgoing(method, target, {"Host": "hub", **more.pop("headers", {})}, silence=silence, **more)


async def fetched(pool: Pool, place: Place, request: Outgoing | None = None) -> tuple[int, bytes]:
    """Ask, and return the status and all of the body."""
    async with pool.exchange(place, request or get(), "url") as answer:
        body = bytearray()
        async for piece in answer.pieces():
            body += piece
        return answer.status, bytes(body)
