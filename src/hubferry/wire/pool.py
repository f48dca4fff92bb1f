"""Open connections, through a proxy where there is one, keep them for the next request, close them all."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.wire.connection import Buffers, Connection
from hubferry.wire.failures import BrokenOffError, ProxyRefusedError
from hubferry.wire.headers import request_head
from hubferry.wire.opening import Opener

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from hubferry.model import Span
    from hubferry.wire.head import Head
    from hubferry.wire.headers import Headers
    from hubferry.wire.place import Place
    from hubferry.wire.sharing import SharedConnections, Turn

_SAFE = frozenset({"GET", "HEAD"})
_SHORT = 64 * 1024
_PROXY_AUTHENTICATION_REQUIRED = 407


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent.

    Attributes:
        method: Such as GET.
        target: Path and query, or all of the address where a proxy forwards it.
        headers: All of them.
        body: Bytes, or what yields as many as Content-Length says; spans for a `plain` or `direct` place.
        silence: Seconds without a byte after which to give up.
    """

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | AsyncGenerator[memoryview | Span, None] | None = field(default=None, repr=False)
    silence: float = 60.0


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer whose head has come.

    Attributes:
        status: Of HTTP.
        headers: By name, whatever its case.
        length: Bytes of the body, None where its end is found otherwise.
        url: What was asked for.
        connection: Brings the body.
    """

    status: int
    headers: Headers = field(repr=False)
    length: int | None
    url: str = field(repr=False)
    connection: Connection = field(repr=False)

    def pieces(self) -> AsyncGenerator[memoryview, None]:
        """Yield the body; a piece is good until the next one is asked for."""
        return self.connection.pieces()

    async def finish(self) -> None:
        """Read what is left of a short answer: the connection may then serve again."""
        if self.length is not None and self.length <= _SHORT:
            await self.read(_SHORT)

    async def read(self, most: int) -> bytes:
        """Return the body's first bytes, at most so many; the rest is not wanted."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) >= most:
                break
        return bytes(body[:most])


class Pool:
    """The connections of one client: at most `limit` at work, those at rest kept for a while."""

    def __init__(
        self,
        *,
        limit: int,
        connect_seconds: float,
        kept_seconds: float,
        shared: SharedConnections | None = None,
    ) -> None:
        """Begin without any; `shared` is what other clients of the same hub open theirs by, too."""
        self._places = asyncio.Semaphore(limit)
        self._opener = Opener(self._made, connect_seconds)
        self._kept_seconds = kept_seconds
        self._idle: defaultdict[tuple[Place, bool], list[Connection]] = defaultdict(list)
        self._all: set[Connection] = set()
        self._closed = False
        self._buffers = Buffers()
        self._shared = shared
        if shared is not None:
            shared.join(self)

    @asynccontextmanager
    async def exchange(self, place: Place, request: Outgoing, url: str) -> AsyncIterator[Incoming]:
        """Send a request and give its answer; what is left of it when the block ends is not waited for.

        Raises:
            OSError: See `hubferry.wire.failures`.
        """
        async with self._turn(request):
            connection, head = await self._asked(place, request)
            try:
                yield Incoming(head.status, head.headers, head.length, url, connection)
            finally:
                await self._give_back(place, request, connection)

    async def ask(self, place: Place, request: Outgoing, most: int) -> tuple[Head, bytearray]:
        """Send a request and return its answer; of a body that is longer than `most` bytes not all.

        Raises:
            OSError: See `hubferry.wire.failures`.
        """
        async with self._turn(request):
            connection, head = await self._asked(place, request)
            try:
                return head, await connection.body(most)
            finally:
                await self._give_back(place, request, connection)

    async def close(self) -> None:
        """Close every connection; what still waits for an answer breaks off."""
        self._closed = True
        self._opener.close()
        connections = list(self._all)
        for connection in connections:
            self._forget(connection)
        self._idle.clear()
        await _gone(connections)

    async def let_go(self) -> bool:
        """Close one connection that rests, the longest at rest of its kind; False where none does."""
        for idle in self._idle.values():
            if idle:
                connection = idle.pop(0)
                self._forget(connection)
                await _gone([connection])
                return True
        return False

    def _turn(self, request: Outgoing) -> asyncio.Semaphore | Turn:
        """Return what to hold while a request is under way."""
        if self._shared is None:
            return self._places
        sends = request.body is not None and not isinstance(request.body, bytes)
        return self._shared.turn(self._places, sends=sends)

    def _forget(self, connection: Connection) -> None:
        if connection in self._all:
            self._all.discard(connection)
            if self._shared is not None:
                self._shared.ended()

    async def _asked(self, place: Place, request: Outgoing) -> tuple[Connection, Head]:
        """Send a request; one that a resting connection lost before any answer is sent once more."""
        while True:
            connection = self._resting(place, request) or await self._opened(place, request)
            try:
                sent = request_head(request.method, request.target, request.headers)
                head = await connection.ask(request.method, sent, request.body, request.silence)
                _require_to_be_let_in(place, head)
            except ConnectionError:
                stale = connection.used and request.method in _SAFE and request.body is None
                await self._give_back(place, request, connection)
                if not stale:
                    raise
            except BaseException:
                await self._give_back(place, request, connection)
                raise
            else:
                return connection, head

    def _resting(self, place: Place, request: Outgoing) -> Connection | None:
        idle = self._idle[_lane(place, request)]
        oldest = asyncio.get_running_loop().time() - self._kept_seconds
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.idle_since >= oldest:
                return connection
            connection.abort()
            self._forget(connection)
        return None

    async def _give_back(self, place: Place, request: Outgoing, connection: Connection) -> None:
        kept = False
        try:
            await connection.release()
            kept = connection.is_open and not self._closed
            if kept:
                self._idle[_lane(place, request)].append(connection)
            elif self._shared is not None:
                connection.abort()
                await _gone([connection])  # another one may be opened in its stead
        finally:  # also of who is cancelled once more meanwhile
            if not kept:
                connection.abort()
                self._forget(connection)

    async def _opened(self, place: Place, request: Outgoing) -> Connection:
        """Open a connection, in time."""
        if self._shared is not None:
            await self._shared.begin()
        try:
            connection = await self._opener.open(place, in_thread=_lane(place, request)[1])
        except BaseException:
            if self._shared is not None:
                self._shared.ended()
            raise
        self._all.add(connection)
        if self._closed:
            connection.abort()
            self._forget(connection)
            raise BrokenOffError
        return connection

    def _made(self) -> Connection:
        return Connection(self._buffers, self._lost)

    def _lost(self, connection: Connection) -> None:
        """Forget a connection that ended while it rested."""
        self._forget(connection)
        for idle in self._idle.values():
            with suppress(ValueError):
                idle.remove(connection)


def _require_to_be_let_in(place: Place, head: Head) -> None:
    """Tell an answer of the proxy apart from one of the host."""
    if place.forwarded and head.status == _PROXY_AUTHENTICATION_REQUIRED:
        error = ProxyRefusedError(head.status)
        error.proxy = place.proxy
        raise error


def _lane(place: Place, request: Outgoing) -> tuple[Place, bool]:
    """Return which connections can carry a request: those that encrypt in a thread carry long bodies."""
    return place, place.direct and request.body is not None and not isinstance(request.body, bytes)


async def _gone(connections: list[Connection]) -> None:
    """Close connections and return when they are gone."""
    for connection in connections:
        connection.abort()
    if connections:
        await asyncio.wait([connection.lost for connection in connections], timeout=1.0)
