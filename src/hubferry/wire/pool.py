"""Open connections, through a proxy where there is one, keep them for the next request, close them all."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.wire.connection import Buffers, Connection, gone
from hubferry.wire.failures import BrokenOffError, ProxyRefusedError, UnknownHostError, UnreachableError
from hubferry.wire.headers import request_head

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from aiohappyeyeballs.types import AddrInfoType

    from hubferry.model import Span
    from hubferry.wire.head import Head
    from hubferry.wire.headers import Headers
    from hubferry.wire.proxies import Proxy

_SAFE = frozenset({"GET", "HEAD"})
_OK = range(200, 300)
_SHORT = 64 * 1024
_CONNECT_PATIENCE = 0.25
"""Seconds for one address of a host before the next is tried beside it (RFC 8305)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection leads."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None = None

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken with the host itself."""
        return self.scheme == "https"

    @property
    def plain(self) -> bool:
        """Whether nothing is encrypted on the way to it, or to the proxy that forwards."""
        return not self.encrypted and (self.proxy is None or not self.proxy.encrypted)

    @property
    def direct(self) -> bool:
        """Whether nothing stands between us and the encryption of the host itself."""
        return self.encrypted and self.proxy is None

    @property
    def authority(self) -> str:
        """Host and port as a tunnel is asked for."""
        return f"{bracketed(self.host)}:{self.port}"


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

    def __init__(self, *, limit: int, connect_seconds: float, kept_seconds: float) -> None:
        """Begin without any."""
        self._places = asyncio.Semaphore(limit)
        self._connect_seconds = connect_seconds
        self._kept_seconds = kept_seconds
        self._idle: defaultdict[tuple[Place, bool], list[Connection]] = defaultdict(list)
        self._all: set[Connection] = set()
        self._addresses: dict[tuple[str, int], asyncio.Task[Sequence[AddrInfoType]]] = {}
        self._context: ssl.SSLContext | None = None
        self._closed = False
        self._buffers = Buffers()

    @asynccontextmanager
    async def exchange(self, place: Place, request: Outgoing, url: str) -> AsyncIterator[Incoming]:
        """Send a request and give its answer; what is left of it when the block ends is not waited for.

        Raises:
            OSError: See `hubferry.wire.failures`.
        """
        async with self._places:
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
        async with self._places:
            connection, head = await self._asked(place, request)
            try:
                return head, await connection.body(most)
            finally:
                await self._give_back(place, request, connection)

    async def close(self) -> None:
        """Close every connection; what still waits for an answer breaks off."""
        self._closed = True
        for lookup in self._addresses.values():
            lookup.cancel()
        await gone(list(self._all))
        self._all.clear()
        self._idle.clear()

    async def _asked(self, place: Place, request: Outgoing) -> tuple[Connection, Head]:
        """Send a request; one that a resting connection lost before any answer is sent once more."""
        while True:
            connection = self._resting(place, request) or await self._opened(place, request)
            try:
                head = request_head(request.method, request.target, request.headers)
                return connection, await connection.ask(request.method, head, request.body, request.silence)
            except ConnectionError:
                stale = connection.used and request.method in _SAFE and request.body is None
                await self._give_back(place, request, connection)
                if not stale:
                    raise
            except BaseException:
                await self._give_back(place, request, connection)
                raise

    def _resting(self, place: Place, request: Outgoing) -> Connection | None:
        idle = self._idle[_lane(place, request)]
        oldest = asyncio.get_running_loop().time() - self._kept_seconds
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.idle_since >= oldest:
                return connection
            connection.abort()
        return None

    async def _give_back(self, place: Place, request: Outgoing, connection: Connection) -> None:
        await connection.release()
        if connection.is_open and not self._closed:
            self._idle[_lane(place, request)].append(connection)
        else:
            connection.abort()
            self._all.discard(connection)

    async def _opened(self, place: Place, request: Outgoing) -> Connection:
        """Open a connection, in time."""
        opening = asyncio.get_running_loop().create_task(self._open(*_lane(place, request)))
        try:
            # not `wait_for`: before Python 3.12 it may swallow a cancellation
            await asyncio.wait({opening}, timeout=self._connect_seconds)
            connection = _in_time(opening)
        except BaseException:
            opening.cancel()
            for opened in await asyncio.gather(opening, return_exceptions=True):
                if isinstance(opened, Connection):
                    opened.abort()
            raise
        if self._closed:
            connection.abort()
            raise BrokenOffError
        self._all.add(connection)
        return connection

    async def _open(self, place: Place, in_thread: bool) -> Connection:  # noqa: FBT001  # a lane is a pair
        proxy = place.proxy
        if in_thread:
            return await self._connect_directly(place)
        if proxy is None:
            return await self._connect(place.host, place.port, encrypted=place.encrypted)
        connection = await self._connect(proxy.host, proxy.port, encrypted=proxy.encrypted)
        if place.encrypted:
            try:
                await self._tunnel(connection, place, proxy)
            except BaseException:
                connection.abort()
                raise
        return connection

    async def _tunnel(self, connection: Connection, place: Place, proxy: Proxy) -> None:
        headers = {"Host": place.authority, **proxy.headers}
        asked = request_head("CONNECT", place.authority, headers)
        head = await connection.ask("CONNECT", asked, None, self._connect_seconds)
        if head.status not in _OK:
            raise ProxyRefusedError(head.status)
        await connection.encrypt(self._tls(), place.host)

    async def _connect(self, host: str, port: int, *, encrypted: bool) -> Connection:
        loop = asyncio.get_running_loop()
        context, name = (self._tls(), host) if encrypted else (None, None)
        addresses = await self._resolved(host, port)
        try:
            if len(addresses) == 1:
                family, _kind, proto, _name, address = addresses[0]
                _transport, connection = await loop.create_connection(
                    self._made, address[0], address[1], ssl=context, server_hostname=name,
                    family=family, proto=proto,
                )  # fmt: skip
            else:
                from aiohappyeyeballs import start_connection

                raw = await start_connection(addresses, happy_eyeballs_delay=_CONNECT_PATIENCE)
                _transport, connection = await loop.create_connection(
                    self._made, sock=raw, ssl=context, server_hostname=name
                )
        except OSError as error:
            if _is_about_encryption(error):
                raise
            raise UnreachableError(error.errno, error.strerror) from None
        return connection

    async def _connect_directly(self, place: Place) -> Connection:
        """Connect so that bodies are encrypted in a thread."""
        from aiohappyeyeballs import start_connection

        from hubferry.wire.encrypted import encrypted

        addresses = await self._resolved(place.host, place.port)
        connection = self._made()
        try:
            raw = await start_connection(addresses, happy_eyeballs_delay=_CONNECT_PATIENCE)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await encrypted(raw, self._tls(), place.host, connection)
        except OSError as error:
            if _is_about_encryption(error):
                raise
            raise UnreachableError(error.errno, error.strerror) from None
        return connection

    def _made(self) -> Connection:
        return Connection(self._buffers, self._lost)

    def _lost(self, connection: Connection) -> None:
        """Forget a connection that ended while it rested."""
        self._all.discard(connection)
        for idle in self._idle.values():
            with suppress(ValueError):
                idle.remove(connection)

    async def _resolved(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Look a host's addresses up, once for all that want to know."""
        lookup = self._addresses.get((host, port))
        if lookup is None or (lookup.done() and (lookup.cancelled() or lookup.exception() is not None)):
            lookup = self._addresses[host, port] = asyncio.get_running_loop().create_task(_lookup(host, port))
        return await asyncio.shield(lookup)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            import ssl

            self._context = ssl.create_default_context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context


def _lane(place: Place, request: Outgoing) -> tuple[Place, bool]:
    """Return which connections can carry a request: those that encrypt in a thread carry long bodies."""
    return place, place.direct and request.body is not None and not isinstance(request.body, bytes)


async def _lookup(host: str, port: int) -> Sequence[AddrInfoType]:
    loop = asyncio.get_running_loop()
    try:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise UnknownHostError from None


def _in_time(opening: asyncio.Task[Connection]) -> Connection:
    if not opening.done():
        raise TimeoutError
    return opening.result()


def _is_about_encryption(error: OSError) -> bool:
    import ssl

    return isinstance(error, ssl.SSLError)


def bracketed(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
