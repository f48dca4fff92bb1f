"""By which address clients reach the hub: its own, the one that a proxy says, or the one it was given."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve.hub import hub_of
from hubferry.serve.public import AUTHORITY
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.serve.public import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_SCHEMES = ("http", "https")
LOOPBACK_ONLY: web.AppKey[bool] = web.AppKey("loopback only", bool)
"""Whether the hub listens where only this machine can reach it."""


def absolute(request: web.Request, path: str) -> str:
    """Return `path` on the address by which the client reached this hub.

    Args:
        request: The request to answer.
        path: An absolute path of this hub, escaped, with or without a query.

    Raises:
        Refusal: The request says an address that is none.
    """
    public = hub_of(request).public
    if public.url is not None:
        return public.url + path
    scheme = _said(request, "X-Forwarded-Proto") or ("https" if _transport(request, "sslcontext") else "http")
    host = _said(request, "X-Forwarded-Host") or _host(request)
    if scheme.lower() not in _SCHEMES or not AUTHORITY.fullmatch(host):
        raise Refusal(Reason.INVALID, "Invalid X-Forwarded-Proto or X-Forwarded-Host")
    return f"{scheme.lower()}://{host}{path}"


def relative(request: web.Request, path: str) -> str:
    """Return `path` without the hub's own address, below the folder at which a proxy shows the hub."""
    return hub_of(request).public.prefix + path


def client_address(request: web.Request) -> str:
    """Return who asks: the peer, or whom the proxies that are believed name."""
    found = _address(_said(request, "X-Forwarded-For")) or _peer(request)
    return "unknown" if found is None else str(found)


def require_known_host(request: web.Request) -> None:
    """Refuse a name that is not this hub's: a page can make any name of its own mean this machine.

    What a proxy says beside `Host` does not count here, since a page's script can say it too.

    Raises:
        Refusal: No address, or, where only this machine can reach the hub, one that is not this machine's.
    """
    absolute(request, "")
    name = _name(_host(request))
    if not request.app.get(LOOPBACK_ONLY, False) or _is_here(name):
        return
    public = hub_of(request).public
    if public.host is None or name != public.host:
        raise Refusal(
            Reason.MISDIRECTED,
            f"This hub answers to the names of its own machine, not to {name}: start it with "
            f"--public-url https://{name}, or let the proxy name itself in X-Forwarded-Host alone",
        )


def is_loopback(host: str) -> bool:
    """Return whether what listens at `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_here(name: str) -> bool:
    return is_loopback(name.strip("[]")) or name.endswith(".localhost")


def _host(request: web.BaseRequest) -> str:
    """Return the `Host` of a request; one of an old client that says none gets the socket's own address."""
    given = request.headers.getall("Host", [])
    if given in ([], [""]):
        place = _transport(request, "sockname")
        address, port = place[:2] if isinstance(place, tuple) else ("localhost", 80)
        return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"
    if len(given) > 1 or not AUTHORITY.fullmatch(given[0]):
        raise Refusal(Reason.INVALID, "Invalid Host")
    return given[0]


def _name(host: str) -> str:
    return re.sub(r":[0-9]*$", "", host).lower().removesuffix(".")


def _words(request: web.BaseRequest, name: str) -> list[str]:
    joined = ",".join(request.headers.getall(name, []))
    return [word.strip() for word in joined.split(",") if word.strip()]


def _said(request: web.Request, name: str) -> str | None:
    """Return what the outermost believed proxy says; what stands before it in the list anybody may have said.

    Each proxy adds to the lists at their ends, so as many are believed as addresses at the end of the one of
    clients; a list that was written anew, not added to, is shorter and is the nearest proxy's.
    """
    proxies = hub_of(request).public.proxies
    if not _is_believed(_peer(request), proxies):
        return None
    clients = _words(request, "X-Forwarded-For")
    hops = 1
    while hops < len(clients) and _is_believed(_address(clients[-hops]), proxies):
        hops += 1
    words = _words(request, name)
    return words[-min(hops, len(words))] if words else None


def _is_believed(address: Address | None, proxies: Sequence[Network]) -> bool:
    return address is not None and (address.is_loopback or any(address in network for network in proxies))


def _address(text: str | None) -> Address | None:
    try:
        found = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def _peer(request: web.BaseRequest) -> Address | None:
    name = _transport(request, "peername")
    return _address(str(name[0])) if isinstance(name, tuple) else None


def _transport(request: web.BaseRequest, what: str) -> object:
    return request.transport.get_extra_info(what) if request.transport is not None else None
