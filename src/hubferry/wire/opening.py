"""Open connections: look names up, try a host's addresses, encrypt, go through a proxy where there is one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubferry.wire import encryption
from hubferry.wire.connection import Connection
from hubferry.wire.failures import (
    BrokenOffError,
    EncryptionError,
    LookupFailedError,
    OpeningTimedOutError,
    ProxyRefusedError,
    UnknownHostError,
    UnreachableError,
)
from hubferry.wire.headers import request_head

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from aiohappyeyeballs.types import AddrInfoType

    from hubferry.wire.place import Place
    from hubferry.wire.proxies import Proxy

_OK = range(200, 300)
_NEXT_ADDRESS_SECONDS = 0.25
"""For one address of a host before the next is tried beside it (RFC 8305)."""
_NOWHERE = frozenset({1, 3, 4, 5, 6, 8, 91})
"""What a SOCKS proxy says of an address when another one of the host may do."""
_NOBODY = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Opener:
    """Opens connections; a name is looked up once, and the trusted certificates are read once."""

    def __init__(self, made: Callable[[], Connection], seconds: float) -> None:
        """Prepare; `made` makes what a connection's bytes go to, `seconds` is the most that one may take."""
        self._made = made
        self._seconds = seconds
        self._addresses: dict[tuple[str, int], asyncio.Task[Sequence[AddrInfoType]]] = {}
        self._context: ssl.SSLContext | None = None

    async def open(self, place: Place, *, in_thread: bool = False) -> Connection:
        """Open a connection to a place; with `in_thread`, if it is `direct`, one that encrypts bodies there.

        Raises:
            OSError: See `hubferry.wire.failures`.
        """
        if place.encrypted or (place.proxy is not None and place.proxy.encrypted):
            self._tls()  # before anything is opened in vain, and before the time runs
        opening = asyncio.get_running_loop().create_task(self._open(place, in_thread))
        try:
            # not `wait_for`: before Python 3.12 it may swallow a cancellation
            await asyncio.wait({opening}, timeout=self._seconds)
            return _in_time(opening, place)
        except BaseException:
            opening.cancel()
            for opened in await asyncio.gather(opening, return_exceptions=True):
                if isinstance(opened, Connection):
                    opened.abort()
            raise

    def close(self) -> None:
        """Wait for no name any more."""
        for lookup in self._addresses.values():
            lookup.cancel()

    async def _open(self, place: Place, in_thread: bool) -> Connection:  # noqa: FBT001
        proxy, name = place.proxy, place.host if place.encrypted else None
        connected = self._connected_in_thread if in_thread else self._connected
        if proxy is None:
            return await connected(await self._reached(place.host, place.port), name)
        if not proxy.is_http:
            return await connected(await self._led(proxy, place), name)
        with _blamed_on(proxy):
            raw = await self._reached(proxy.host, proxy.port)
            connection = await self._connected(raw, proxy.host if proxy.encrypted else None)
        if name is not None:
            try:
                with _blamed_on(proxy):
                    await self._ask_for_tunnel(connection, place, proxy)
                with encryption.beginning():
                    await connection.encrypt(self._tls(), name)
            except BaseException:
                connection.abort()
                raise
        return connection

    async def _reached(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected to the first of a host's addresses that answers."""
        from aiohappyeyeballs import start_connection

        addresses = await self._resolved(host, port)
        try:
            return await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
        except OSError as error:
            raise UnreachableError(error.errno, error.strerror) from None

    async def _connected(self, raw: socket.socket, name: str | None) -> Connection:
        """Read from a socket from now on; encrypted, if `name` says whose certificate it has to be."""
        loop, context = asyncio.get_running_loop(), None if name is None else self._tls()
        with encryption.beginning():
            _transport, connection = await loop.create_connection(
                self._made, sock=raw, ssl=context, server_hostname=name
            )
        return connection

    async def _connected_in_thread(self, raw: socket.socket, name: str | None) -> Connection:
        """As `_connected`, but bodies are encrypted in a thread."""
        from hubferry.wire.encrypted import encrypted

        connection = self._made()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with encryption.beginning():
            await encrypted(raw, self._tls(), name or "", connection)
        return connection

    async def _ask_for_tunnel(self, connection: Connection, place: Place, proxy: Proxy) -> None:
        headers = {"Host": place.authority, **proxy.headers}
        asked = request_head("CONNECT", place.authority, headers)
        head = await connection.ask("CONNECT", asked, None, self._seconds)
        if head.status not in _OK:
            raise ProxyRefusedError(head.status)

    async def _led(self, proxy: Proxy, place: Place) -> socket.socket:
        """Return a socket that a SOCKS proxy has connected to a place."""
        from hubferry.wire import socks

        hosts = [place.host] if proxy.looks_names_up else await self._known_here(proxy, place)
        with _blamed_on(proxy):
            for host in hosts:
                raw = await self._reached(proxy.host, proxy.port)
                try:
                    await socks.lead(raw, proxy, host, place.port)
                except ProxyRefusedError as error:
                    raw.close()
                    if error.code not in _NOWHERE or host == hosts[-1]:
                        raise
                except BaseException:
                    raw.close()
                    raise
                else:
                    return raw
        raise UnknownHostError  # it has no address of the kind that the proxy knows

    async def _known_here(self, proxy: Proxy, place: Place) -> list[str]:
        """Return a host's addresses that a SOCKS proxy can be asked for."""
        found = await self._resolved(place.host, place.port)
        families = (socket.AF_INET,) if proxy.kind == "socks4" else (socket.AF_INET, socket.AF_INET6)
        return [str(address[0]) for family, _kind, _proto, _name, address in found if family in families]

    async def _resolved(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Look a host's addresses up, once for all that want to know."""
        lookup = self._addresses.get((host, port))
        if lookup is None or (lookup.done() and (lookup.cancelled() or lookup.exception() is not None)):
            lookup = self._addresses[host, port] = asyncio.get_running_loop().create_task(_lookup(host, port))
        return await asyncio.shield(lookup)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            from hubferry.wire.authorities import client_context

            self._context = client_context()
        return self._context


async def _lookup(host: str, port: int) -> Sequence[AddrInfoType]:
    loop = asyncio.get_running_loop()
    try:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise UnknownHostError from None
    except socket.gaierror as error:
        raise (UnknownHostError if error.errno in _NOBODY else LookupFailedError) from None


def _in_time(opening: asyncio.Task[Connection], place: Place) -> Connection:
    if not opening.done():
        late = OpeningTimedOutError()
        late.proxy = place.proxy
        raise late
    return opening.result()


@contextmanager
def _blamed_on(proxy: Proxy) -> Iterator[None]:
    """Let what goes wrong in a `with` block name the proxy."""
    try:
        yield
    except (UnreachableError, EncryptionError, BrokenOffError) as error:
        error.proxy = proxy
        raise
