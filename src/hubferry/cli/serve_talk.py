"""What `hubferry serve` says: where clients reach it, and a line for each request."""

from __future__ import annotations

import ipaddress
import socket
from datetime import datetime
from typing import TYPE_CHECKING

from hubferry.cli import output

if TYPE_CHECKING:
    from hubferry.serve import AccessRecord

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_REFUSED = 400
"""Status from which on a request was not answered as it was meant."""
"""Addresses for documentation (RFC 5737, RFC 3849): nothing is sent there."""


def reachable_host(host: str) -> str:
    """Return a name or address for clients of a hub that listens at `host`; "every address" is none."""
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


def log_request(record: AccessRecord) -> None:
    """Write a line about an answered request; never its query, in which signatures are.

    Of one that was refused only what kind of question it was: its path may be anything, a token as well.
    """
    asked = output.presentable(record.path) if record.status < _REFUSED else record.route or "-"
    moment = datetime.now().astimezone().isoformat(timespec="seconds")
    output.talk(
        f"{moment} {record.client} {record.method} {asked} {record.status} {record.sent} {record.seconds:.3f}"
    )
