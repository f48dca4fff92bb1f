"""What can go wrong with a connection, as exceptions that name no address and no login.

The tree::

    OSError
    ├── UnreachableError         no connection: refused, no route
    │   ├── UnknownHostError     nobody knows the name
    │   ├── LookupFailedError    whether the name is known cannot be found out now
    │   ├── OpeningTimedOutError none in time; a TimeoutError, too
    │   └── ProxyRefusedError    the proxy answered, but does not connect
    ├── EncryptionError          no encrypted connection
    │   ├── CertificateError     a certificate that was not accepted
    │   └── NestedEncryptionError  this Python cannot encrypt to a host through an encrypted proxy
    ├── AuthoritiesError         a variable names certificates that cannot be read
    ├── ConnectionError
    │   └── BrokenOffError       it ended in the middle, or what came is not HTTP
    └── TimeoutError             nothing was heard for too long
    ValueError
    └── AddressError             an address, or a header, that cannot be sent as it is
        └── ProxyKindError       the environment names a proxy that cannot be used
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.wire.proxies import Proxy

_PROXY_AUTHENTICATION_REQUIRED = 407
_GOOD_TOMORROW = range(500, 600)
"""What a proxy says of hosts that it cannot reach at the moment; else it refuses us."""
_SOCKS_REFUSES_US = frozenset({2, 7, 8, 92, 93})


class AddressError(ValueError):
    """An address is none, or a part of a request would break out of its line."""


class ProxyKindError(AddressError):
    """A proxy's address cannot be read, is of a kind that is not known, or its login cannot be sent."""

    def __init__(self, variable: str) -> None:
        """Take the variable that names it; nothing of its value."""
        super().__init__()
        self.variable = variable


class UnreachableError(OSError):
    """No connection could be opened: to `proxy`, where that is set."""

    proxy: Proxy | None = None


class UnknownHostError(UnreachableError):
    """The host's name is not known."""


class LookupFailedError(UnreachableError):
    """The host's name could not be looked up."""


class OpeningTimedOutError(UnreachableError, TimeoutError):
    """No connection could be opened in time."""


class ProxyRefusedError(UnreachableError):
    """The proxy does not connect to the host.

    Attributes:
        status: Of HTTP, None for another kind of proxy.
        code: Of SOCKS 5 (1 to 8) or SOCKS 4 (91 to 93), None where there is none.
        login: Whether it does not let us in with this login, or without one.
    """

    def __init__(self, status: int | None = None, *, code: int | None = None, login: bool = False) -> None:
        """Take what the proxy said."""
        super().__init__()
        self.status = status
        self.code = code
        self.login = login or status == _PROXY_AUTHENTICATION_REQUIRED

    @property
    def lasting(self) -> bool:
        """Whether asking again does not help."""
        refused = self.status is not None and self.status not in _GOOD_TOMORROW
        return self.login or refused or self.code in _SOCKS_REFUSES_US


class EncryptionError(OSError):
    """No encrypted connection could be made, with `proxy` where that is set; `reason` is OpenSSL's."""

    proxy: Proxy | None = None

    def __init__(self, reason: str | None = None) -> None:
        """Take the reason, which names no address."""
        super().__init__()
        self.reason = reason


class CertificateError(EncryptionError):
    """A certificate was not accepted; `code` says why, as OpenSSL's X509_V_ERR does."""

    def __init__(self, code: int, reason: str) -> None:
        """Take the reason by number and in OpenSSL's words, which name the host at most."""
        super().__init__(reason)
        self.code = code


class NestedEncryptionError(EncryptionError):
    """An encrypted connection to a host has no way through one to a proxy, in this Python."""


class AuthoritiesError(OSError):
    """Certificates that a variable names cannot be used: by the system's `reason`; None: there are none."""

    def __init__(self, variable: str, place: str, reason: str | None) -> None:
        """Take the variable and its value, which is a path."""
        super().__init__()
        self.variable = variable
        self.place = place
        self.reason = reason


class BrokenOffError(ConnectionError):
    """The connection, to `proxy` where that is set, ended before its answer did, or did not speak HTTP."""

    proxy: Proxy | None = None
