"""Ask a SOCKS proxy for a connection: the negotiation is python-socks's, the socket ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hubferry.wire.failures import BrokenOffError, ProxyRefusedError

if TYPE_CHECKING:
    import socket

    from hubferry.wire.proxies import Proxy


async def lead(raw: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Let a connection to a proxy lead to a host; `host` is a name where the proxy is to look it up.

    Raises:
        ProxyRefusedError: The proxy does not connect, or does not let us in. The socket is closed.
        BrokenOffError: It hung up, or does not speak SOCKS.
    """
    from python_socks import ProxyError, ProxyType
    from python_socks.async_.asyncio import Proxy as Client

    kind = ProxyType.SOCKS4 if proxy.kind.startswith("socks4") else ProxyType.SOCKS5
    client = Client(
        kind,
        proxy.host,
        proxy.port,
        proxy.user,
        proxy.password,
        rdns=True,  # what is to be looked up here has been
        forward=_Opened(raw),  # type: ignore[arg-type]  # of the first proxy only its `connect` is used
        loop=asyncio.get_running_loop(),
    )
    failure: OSError | None = None
    try:
        await client.connect(host, port)
    except ProxyError as error:
        failure = _named(error.error_code, str(error))
    except OSError:
        failure = BrokenOffError()
    if failure is not None:
        raise failure  # here, so that nothing of the login hangs on it


def _named(code: int | None, said: str) -> OSError:
    if code is not None:
        return ProxyRefusedError(code=int(code))
    if "auth" in said.lower():
        return ProxyRefusedError(login=True)
    return BrokenOffError()


class _Opened:
    """Stands where python-socks expects an earlier proxy: the connection is there already."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    async def connect(self, **_place: Any) -> socket.socket:
        return self._raw
