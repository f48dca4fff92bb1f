"""Name what went wrong with a connection, in words that hold no address that might be signed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, NetworkError, TimedOutError
from hubferry.hubs.http.addresses import host_of
from hubferry.i18n import _
from hubferry.wire.failures import (
    AddressError,
    ProxyKindError,
    ProxyRefusedError,
    UnknownHostError,
    UnreachableError,
)

if TYPE_CHECKING:
    from hubferry.errors import Side


class FailuresNamed:
    """Name a failure of the connection in words, without addresses that might be signed."""

    def __init__(self, url: str, side: Side) -> None:
        self._url = url
        self._side: Side = side

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (HubferryError, asyncio.CancelledError, GeneratorExit)):
            return
        reason = _reason(error)
        if reason is not None:
            message = _("{host}: {reason}").format(host=host_of(self._url), reason=reason)
            named = TimedOutError if isinstance(error, TimeoutError) else NetworkError
            # The original's text may hold a signed address or a proxy's password.
            raise named(message, side=self._side, hint=_hint(error)) from None


def _reason(error: BaseException) -> str | None:
    """Return why a connection failed, None where `error` is not about a connection."""
    import ssl

    if isinstance(error, UnknownHostError):
        return _("the host's name is not known")
    if isinstance(error, ProxyKindError):
        return _("the environment names a proxy that is not an HTTP proxy")
    if isinstance(error, ProxyRefusedError):
        return _("the proxy does not connect to it (HTTP {status})").format(status=error.status)
    if isinstance(error, UnreachableError):
        return error.strerror or _("no connection")
    reasons: tuple[tuple[type[BaseException], str], ...] = (
        (TimeoutError, _("no answer in time")),
        (ssl.SSLError, _("no encrypted connection could be made")),
        (ConnectionError, _("the connection broke off")),
        (AddressError, _("an address that cannot be read")),
    )
    return next((reason for kind, reason in reasons if isinstance(error, kind)), None)


def _hint(error: BaseException) -> str | None:
    if isinstance(error, (UnreachableError, ProxyKindError)):
        return _("Check the network and the proxy settings (HTTPS_PROXY); hubferry doctor tests both hubs.")
    return None
