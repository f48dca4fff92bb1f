"""To which machines a token may travel over plain http: this one, and those that somebody trusts by name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.wire.exemptions import is_loopback

if TYPE_CHECKING:
    from hubferry.errors import Side

VARIABLE = "HUBFERRY_INSECURE"
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^\s:/@*?\[\]]+))(?::(?P<port>\d{1,5}))?")


def is_allowed(scheme: str, host: str, port: int) -> bool:
    """Return whether a token may travel to a host: encrypted anywhere, else only where that is trusted.

    Raises:
        UsageError: HUBFERRY_INSECURE has a word that is no host.
    """
    return scheme != "http" or is_loopback(host) or is_named(host, port)


def is_named(host: str, port: int) -> bool:
    """Return whether HUBFERRY_INSECURE names a host, with this port or with none.

    Raises:
        UsageError: It has a word that is no host.
    """
    return any(host == name and trusted in (None, port) for name, trusted in _trusted())


def _trusted() -> list[tuple[str, int | None]]:
    """Return the hosts that HUBFERRY_INSECURE names, each with its port where it has one."""
    found: list[tuple[str, int | None]] = []
    for word in os.environ.get(VARIABLE, "").split(","):
        match = _HOST.fullmatch(word.strip().lower())
        if match is None:
            if word.strip():
                message = _("{variable} names hosts, such as hub.lan or 10.0.0.5:8787, with commas between")
                raise UsageError(message.format(variable=VARIABLE))
            continue
        found.append((match["six"] or match["name"], int(match["port"]) if match["port"] else None))
    return found


def refusal(host: str, side: Side) -> UsageError:
    """Return the error for a token that would travel unencrypted, with the ways to allow it."""
    hint = _("use https; in a network that you trust {setting}, or insecure = true for a hub of the file")
    return UsageError(
        _("The token would travel unencrypted to {host}.").format(host=host),
        side=side,
        hint=hint.format(setting=f"{VARIABLE}={host}"),
    )
