"""The address that a hub is known by, and the proxies that it believes. No I/O."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""A host, as `Host` says it."""
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class Public:
    """How clients see a hub.

    Attributes:
        url: The address that every link begins with, None for the one by which a request came.
        proxies: Whose `X-Forwarded-*` are believed, besides those of this machine.
    """

    url: str | None = None
    proxies: tuple[Network, ...] = ()

    @property
    def prefix(self) -> str:
        """The path below which a proxy shows the hub, empty or with a slash before and none after."""
        return urlsplit(self.url).path if self.url is not None else ""

    @property
    def host(self) -> str | None:
        """The name in the address, in brackets if it is an IPv6 address, without the port."""
        if self.url is None:
            return None
        return re.sub(r":[0-9]+$", "", urlsplit(self.url).netloc).lower()


def public_url(text: str) -> str:
    """Return a public address in its usual form, without a slash at its end.

    Raises:
        ValueError: Not http or https, or with a user, a query, or letters that would have to be escaped.
    """
    parts = urlsplit(text.strip())
    path = parts.path.rstrip("/")
    if (
        parts.scheme not in ("http", "https")
        or parts.query
        or parts.fragment
        or not AUTHORITY.fullmatch(parts.netloc)
        or not _PREFIX.fullmatch(path)
        or any(name in (".", "..") for name in path.split("/"))
        or not 0 < (parts.port or 1) < 1 << 16  # asking for it also refuses one that is no number
    ):
        raise ValueError(text)
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def proxy_network(text: str) -> Network:
    """Return the network of an address, or of a network as 10.0.0.0/8.

    Raises:
        ValueError: It is neither.
    """
    return ipaddress.ip_network(text.strip(), strict=False)
