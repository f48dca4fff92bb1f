"""Name what went wrong with a connection, in words that hold no address that might be signed."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, NetworkError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.errors import Side


class FailuresNamed:
    """Name a failure of the connection in words, without addresses that might be signed."""

    def __init__(self, host: str, side: Side) -> None:
        self._host = host
        self._side: Side = side

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (HubferryError, asyncio.CancelledError, GeneratorExit)):
            return
        reason = _reason(error)
        if reason is not None:
            message = _("{host}: {reason}").format(host=self._host, reason=reason)
            # The original's text may hold a signed address or a proxy's password.
            raise NetworkError(message, side=self._side, hint=_hint(error)) from None


def _reason(error: BaseException) -> str | None:
    """Return why a connection failed, None where `error` is not about a connection."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, _unencrypted()):
        unknown = isinstance(error, aiohttp.ClientConnectorDNSError)
        return _("the host's name is not known") if unknown else error.strerror or _("no connection")
    reasons: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        ((asyncio.TimeoutError, TimeoutError), _("no answer in time")),
        (_unencrypted(), _("no encrypted connection could be made")),
        (aiohttp.InvalidURL, _("an address that cannot be read")),
        ((aiohttp.ClientError, ConnectionError), _("the connection broke off")),
    )
    return next((reason for kinds, reason in reasons if isinstance(error, kinds)), None)


def _unencrypted() -> tuple[type[BaseException], ...]:
    import aiohttp

    return (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError)


def _hint(error: BaseException) -> str | None:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        return _("Check the network and the proxy settings (HTTPS_PROXY); hubferry doctor tests both hubs.")
    return None
