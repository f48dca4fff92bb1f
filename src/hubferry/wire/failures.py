"""What can go wrong with a connection, as exceptions that name no address.

The tree::

    OSError
    ├── UnreachableError       no connection: no such host, refused, no route, a proxy that will not
    │   ├── UnknownHostError   the name resolves to nothing
    │   └── ProxyRefusedError  the proxy answered, but does not connect
    ├── ConnectionError
    │   └── BrokenOffError     it ended in the middle, or what came is not HTTP
    ├── ssl.SSLError           no encrypted connection, or a certificate nobody vouches for
    └── TimeoutError           nothing was heard for too long
    ValueError
    └── AddressError           an address, or a header, that cannot be sent as it is
        └── ProxyKindError     the environment names a proxy that does not speak HTTP
"""

from __future__ import annotations


class AddressError(ValueError):
    """An address is none, or a part of a request would break out of its line."""


class ProxyKindError(AddressError):
    """The environment names something else than an HTTP proxy, such as a SOCKS one."""


class UnreachableError(OSError):
    """No connection could be opened."""


class UnknownHostError(UnreachableError):
    """The host's name is not known."""


class ProxyRefusedError(UnreachableError):
    """The proxy does not connect to the host; `status` says why."""

    def __init__(self, status: int) -> None:
        """Take the proxy's status."""
        super().__init__()
        self.status = status


class BrokenOffError(ConnectionError):
    """The connection ended before its answer did, or did not speak HTTP."""
