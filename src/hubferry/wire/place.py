"""Where a connection leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.wire.proxies import bracketed

if TYPE_CHECKING:
    from hubferry.wire.proxies import Proxy


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection leads, and through which proxy."""

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
        """Whether what is encrypted for the host goes into our own socket: bodies may be sent in a thread."""
        return self.encrypted and (self.proxy is None or not self.proxy.is_http)

    @property
    def forwarded(self) -> bool:
        """Whether requests go to a proxy, each with the whole address, instead of to the host itself."""
        return self.proxy is not None and self.proxy.is_http and not self.encrypted

    @property
    def authority(self) -> str:
        """Host and port as a tunnel is asked for."""
        return f"{bracketed(self.host)}:{self.port}"
