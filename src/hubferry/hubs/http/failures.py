"""Name what went wrong with a connection, in words without logins and signed addresses."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from hubferry.errors import CertificateError, HubferryError, NetworkError, ProxyError, TimedOutError
from hubferry.hubs.http import certificates
from hubferry.hubs.http.addresses import host_of
from hubferry.i18n import _
from hubferry.wire import failures as wire

if TYPE_CHECKING:
    from hubferry.errors import Side
    from hubferry.wire.proxies import Proxy

_ENDPOINTS = ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")
_NO_TLS_THERE = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION")
"""In OpenSSL's reasons, where the other side speaks no TLS, or none that is safe."""


class FailuresNamed:
    """Name a failure of the connection in words, without addresses that might be signed."""

    def __init__(self, url: str, side: Side, asked: str | None = None) -> None:
        """Take what is asked for, by whose wish, and what was asked for before redirects."""
        self._host = host_of(url)
        self._side: Side = side
        self._from = host_of(asked) if asked is not None else self._host

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (HubferryError, asyncio.CancelledError, GeneratorExit)):
            return
        named = self._named(error)
        if named is not None:
            # The original's text may hold a signed address or a proxy's password.
            raise named from None

    def _named(self, error: BaseException) -> NetworkError | None:
        """Return our error for one of the connection; None for what is not about a connection."""
        if isinstance(error, (wire.CertificateError, wire.AuthoritiesError)):
            message = certificates.message(error, self._where(error))
            return CertificateError(message, side=self._side, hint=certificates.hint(error))
        reason = _reason(error)
        if reason is None:
            return None
        message = _("{host}: {reason}").format(host=self._where(error), reason=reason)
        named = _kind(error)(message, side=self._side, hint=self._hint(error))
        if isinstance(error, wire.UnreachableError):
            named.kind = "refused"
        named.doubtful = isinstance(error, wire.UnknownHostError) or _speaks_no_tls(error)
        return named

    def _where(self, error: BaseException) -> str:
        """Say whom we wanted to reach, by whose word or through what; or the proxy that is no safe one."""
        host, proxy = self._host, _proxy_of(error)
        if proxy is not None and isinstance(error, wire.EncryptionError):
            return _("the proxy {proxy}").format(proxy=proxy)
        if self._host != self._from:
            host = _("{host}, where {other} sends us").format(host=host, other=self._from)
        if proxy is not None:
            host = _("{host}, through the proxy {proxy}").format(host=host, proxy=proxy)
        return host

    def _hint(self, error: BaseException) -> str | None:
        if isinstance(error, wire.ProxyKindError):
            return _("An address of a proxy looks like http://host:3128 or socks5h://user:password@host:1080")
        proxy = _proxy_of(error)
        if proxy is not None:
            return _("Check the proxy ({variable}); hubferry doctor tests both hubs.").format(
                variable=proxy.variable or _("the system's settings")
            )
        if isinstance(error, wire.UnknownHostError):
            for variable in _ENDPOINTS:
                if host_of(_with_scheme(os.environ.get(variable, ""))) == self._host:
                    return _("The name comes from {variable}: check how it is spelled.").format(
                        variable=variable
                    )
        if isinstance(error, wire.UnreachableError):
            return _(
                "Check the network and the proxy settings (HTTPS_PROXY); hubferry doctor tests both hubs."
            )
        return None


def _proxy_of(error: BaseException) -> Proxy | None:
    """Return the proxy at which it failed, None where that was not at a proxy."""
    return getattr(error, "proxy", None)


def _kind(error: BaseException) -> type[NetworkError]:
    lasting = isinstance(error, wire.ProxyRefusedError) and error.lasting
    if lasting or isinstance(error, (wire.ProxyKindError, wire.NestedEncryptionError)):
        return ProxyError
    if isinstance(error, TimeoutError) and not isinstance(error, wire.UnreachableError):
        return TimedOutError
    return NetworkError


def _reason(error: BaseException) -> str | None:
    """Return why a connection failed, None where `error` is not about a connection."""
    import ssl

    if isinstance(error, wire.ProxyKindError):
        return _("{variable} names no proxy that can be used").format(
            variable=error.variable or _("the system's settings")
        )
    if isinstance(error, wire.ProxyRefusedError):
        return _refusal(error)
    if isinstance(error, wire.UnreachableError):
        return _unreachable(error)
    if isinstance(error, wire.NestedEncryptionError):
        return _("Python 3.10 does not encrypt through a proxy that is encrypted itself; a newer one does")
    if isinstance(error, (wire.EncryptionError, ssl.SSLError)):
        return _unencrypted(error.reason)
    reasons: tuple[tuple[type[BaseException], str], ...] = (
        (TimeoutError, _("no answer in time")),
        (ConnectionError, _("the connection broke off")),
        (wire.AddressError, _("an address that cannot be read")),
    )
    return next((reason for kind, reason in reasons if isinstance(error, kind)), None)


def _unreachable(error: wire.UnreachableError) -> str:
    if isinstance(error, wire.UnknownHostError):
        return (
            _("the host's name is not known") if error.proxy is None else _("the proxy's name is not known")
        )
    if isinstance(error, wire.LookupFailedError):
        return _("the name cannot be looked up at the moment")
    if isinstance(error, wire.OpeningTimedOutError):
        return _("no connection in time")
    return _unreached(error.errno)


def _refusal(error: wire.ProxyRefusedError) -> str:
    """Say why a proxy does not connect."""
    if error.status is not None:
        words = _("the proxy does not connect to it (HTTP {status})").format(status=error.status)
    elif error.code is not None:
        words = _("the proxy does not connect to it (SOCKS code {code}: {meaning})")
        words = words.format(code=error.code, meaning=_meanings().get(error.code, "?"))
    else:
        words = _("the proxy does not connect to it")
    if error.login:
        return _("{reason}: it wants a user and a password, or does not take these").format(reason=words)
    return words


def _unreached(number: int | None) -> str:
    """Return what the system's number of a connection that was not made means."""
    known = {
        errno.ECONNREFUSED: _("nobody listens there"),
        errno.ENETUNREACH: _("the network cannot be reached"),
        errno.EHOSTUNREACH: _("the host cannot be reached"),
    }
    if number is None:
        return _("no connection")
    return known.get(number) or os.strerror(number)


def _meanings() -> dict[int, str]:
    """Return what the codes of SOCKS 5 and SOCKS 4 mean."""
    return {
        1: _("it failed"),
        2: _("its rules forbid it"),
        3: _("the network cannot be reached from there"),
        4: _("the host cannot be reached from there"),
        5: _("nobody listens there"),
        6: _("the host is too far away"),
        7: _("it cannot do that"),
        8: _("it knows no such kind of address"),
        91: _("refused, or failed"),
        92: _("it asks this machine who we are, and gets no answer"),
        93: _("it does not take this user"),
    }


def _unencrypted(reason: str | None) -> str:
    words = _("no encrypted connection could be made")
    return f"{words} ({reason.replace('_', ' ').lower()})" if reason else words


def _speaks_no_tls(error: BaseException) -> bool:
    reason = (error.reason or "") if isinstance(error, wire.EncryptionError) else ""
    return any(sign in reason for sign in _NO_TLS_THERE)


def _with_scheme(endpoint: str) -> str:
    return endpoint if "://" in endpoint else f"https://{endpoint}"
