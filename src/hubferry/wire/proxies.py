"""The proxy that the environment (or the system) names for an address."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from hubferry.wire.exemptions import is_exempt, is_loopback
from hubferry.wire.failures import ProxyKindError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORTS = {
    "http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080,
}  # fmt: skip
_SAME = {"socks": "socks5h"}
"""What desktops write for the kind that everybody means."""
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_LONGEST_LOGIN = 255
"""Bytes of a name, and of a password, that SOCKS has room for."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and how it is logged in to.

    Attributes:
        kind: http, https, socks4, socks4a, socks5 or socks5h.
        host: Its name or address.
        port: Where it listens.
        user: None where none is named.
        password: For `user`.
        variable: What names it; empty for the system's settings.
    """

    kind: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    variable: str = field(default="", compare=False)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken with the proxy itself."""
        return self.kind == "https"

    @property
    def is_http(self) -> bool:
        """Whether it speaks HTTP: an http address is asked for with it, instead of a connection there."""
        return self.kind in ("http", "https")

    @property
    def looks_names_up(self) -> bool:
        """Whether it is told the host's name, and not its address."""
        return self.kind not in ("socks4", "socks5")

    @property
    def headers(self) -> Mapping[str, str]:
        """What logs us in to an HTTP proxy."""
        return {} if self.user is None else {"Proxy-Authorization": _basic(self.user, self.password or "")}

    def __str__(self) -> str:
        """Return its address without a login."""
        return f"{self.kind}://{bracketed(self.host)}:{self.port}"


def proxy_for(scheme: str, netloc: str) -> Proxy | None:
    """Return the proxy for an address; None where it is asked directly, as this machine always is.

    HTTP_PROXY counts for nothing where REQUEST_METHOD is set: there it is a header that anybody may send.

    Raises:
        ProxyKindError: What the environment names is no address of a proxy.
    """
    parts = urlsplit(f"//{netloc}")
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[scheme]
    if is_loopback(host):
        return None
    settings = getproxies_environment()
    if settings:
        exempt = is_exempt(host, port, settings.get("no", ""))
    else:
        settings = getproxies()
        exempt = not settings or bool(proxy_bypass(netloc))
    key = scheme if settings.get(scheme) else "all"
    if exempt or not settings.get(key):
        return None
    return read(settings[key], variable_for(key))


def read(address: str, variable: str) -> Proxy:
    """Read a proxy's address, whose password may have any characters in it.

    Raises:
        ProxyKindError: It is none, or not of a kind that is known; it names `variable` alone.
    """
    scheme = _SCHEME.match(address)
    kind = scheme[1].lower() if scheme else "http"
    login, at, place = address[scheme.end() if scheme else 0 :].strip().rpartition("@")
    user, colon, password = login.partition(":")
    proxy = _read(kind, place.partition("/")[0], variable)
    if proxy is None:
        raise ProxyKindError(variable)
    if not at:
        return proxy
    login_of = unquote(user), unquote(password) if colon else None
    if not proxy.is_http and not all(_fits_socks(word or "") for word in login_of):
        raise ProxyKindError(variable)
    return Proxy(proxy.kind, proxy.host, proxy.port, *login_of, variable)


def _read(kind: str, place: str, variable: str) -> Proxy | None:
    kind = _SAME.get(kind, kind)
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if kind not in _DEFAULT_PORTS or not host:
        return None
    return Proxy(kind, host, port or _DEFAULT_PORTS[kind], variable=variable)


def _fits_socks(word: str) -> bool:
    return word.isascii() and len(word) <= _LONGEST_LOGIN


def variable_for(key: str) -> str:
    """Return the variable as it is written that names a proxy, as the standard library prefers them."""
    lower = f"{key}_proxy"
    if os.environ.get(lower):
        return lower
    return next((name for name in os.environ if name.lower() == lower and os.environ[name]), "")


def basic(user: str, password: str | None) -> str:
    """Write a name and a password, as they stand in an address, for a header."""
    return _basic(unquote(user), unquote(password or ""))


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def bracketed(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
