"""The proxy that the environment (or the system) names for an address."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from hubferry.wire.failures import ProxyKindError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and how it is logged in to."""

    host: str
    port: int
    encrypted: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)


def proxy_for(scheme: str, netloc: str) -> Proxy | None:
    """Return the proxy for an address; None where it is asked directly.

    Raises:
        ProxyKindError: What the environment names is no address of an HTTP proxy.
    """
    proxies = {} if proxy_bypass(netloc) else getproxies()
    named = proxies.get(scheme) or proxies.get("all")
    if not named:
        return None
    parts = urlsplit(named if "://" in named else f"http://{named}")
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ProxyKindError
    headers = {} if parts.username is None else {"Proxy-Authorization": basic(parts.username, parts.password)}
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Proxy(parts.hostname, port, parts.scheme == "https", headers)


def basic(user: str, password: str | None) -> str:
    """Write a name and a password, as they stand in an address, for a header."""
    login = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {b64encode(login.encode()).decode()}"
