"""What the commands share that answer at an address: `serve` and `ui`."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli.combining import combined
from hubferry.cli.options import together
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation (RFC 5737, RFC 3849): nothing is sent there."""


def address(port: int, port_help: str, host_help: str) -> Callable[[Any], Any]:
    """Add where to listen: at this port of this machine alone, unless somebody says otherwise."""
    return together(
        click.option(
            "--port", type=click.IntRange(0, 65535), default=port, show_default=True, help=port_help
        ),
        click.option("--host", default="127.0.0.1", show_default=True, help=host_help),
    )


def certificate() -> Callable[[Any], Any]:
    """Add with which certificate https is spoken."""
    file = click.Path(path_type=Path, dir_okay=False, exists=True)
    return together(
        click.option(
            "--tls-cert",
            type=file,
            metavar="FILE",
            help=_("Certificate, with those that lead to its root: speak https, and nothing else."),
        ),
        combined(
            click.option(
                "--tls-key",
                type=file,
                metavar="FILE",
                help=_("Its private key, unless that is in the same file."),
            ),
            needs=("--tls-cert cert.pem",),
        ),
    )


def address_as_json() -> Callable[[Any], Any]:
    """Add that a program reads the address."""
    return click.option("--json", "as_json", is_flag=True, help=_("Print the address as one line of JSON."))


def tls_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return what speaks https with a certificate and its key; None for plain http.

    Raises:
        UsageError: They cannot be used.
    """
    if certificate is None:
        return None
    import ssl

    from hubferry.serve.certificates import Renewable

    try:
        return Renewable(certificate, key).context()
    except ssl.SSLError as error:
        reason: object = _("it is none in PEM, or its key is another one's or not there")
        cause: OSError = error
    except OSError as error:
        reason, cause = error.strerror or error, error
    message = _("{path} cannot be used as a certificate: {reason}").format(path=certificate, reason=reason)
    raise UsageError(message, hint="--tls-cert cert.pem --tls-key key.pem") from cause


def refused(host: str, port: int, error: OSError, hint: str) -> UsageError:
    """Return the error for an address that cannot be had."""
    message = _("cannot listen on {host}:{port}: {reason}")
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error  # not asyncio's own words
    return UsageError(message.format(host=host, port=port, reason=reason), hint=hint)


def until_stopped() -> asyncio.Event:
    """Return what is set when somebody ends the process: by Ctrl-C, or by SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers on a loop
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def reachable_host(host: str) -> str:
    """Return a name or address for clients of what listens at `host`; "every address" is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004  # IPv4
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as route:
            route.connect((_ELSEWHERE[family], 9))
            return str(route.getsockname()[0])
    except OSError:
        return socket.gethostname()
