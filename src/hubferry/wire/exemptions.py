"""Which hosts are asked directly although there is a proxy: this machine, and those that NO_PROXY names."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_BETWEEN = re.compile(r"[,\s]+")
_PORT = re.compile(r":(\d+)\Z")
_NUMBERS = re.compile(r"[0-9a-fx.]+", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Return whether what is sent to `host` stays on this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name) or _short_address(name)
    return address is not None and address.is_loopback


def is_exempt(host: str, port: int, names: str) -> bool:
    """Return whether `names`, the value of NO_PROXY, has a host.

    As curl and requests read it: names with all that is below them, with or without a dot in front; `*`;
    addresses; networks as `10.0.0.0/8`; each with or without a port.
    """
    return any(_is_meant(host.lower().rstrip("."), port, one) for one in _BETWEEN.split(names) if one)


def _is_meant(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and "/" in entry:
        return _is_in_network(address, entry)
    named = _address(entry)  # without a port: an IPv6 address would lose its end
    if named is None:
        at = _PORT.search(entry)
        if at is not None and int(at[1]) != port:
            return False
        entry = entry[: at.start()] if at else entry
        named = _address(entry)
    if named is not None or address is not None:
        return named == address
    name = _ascii(entry.removeprefix("*").strip("."))
    return bool(name) and (host == name or host.endswith("." + name))


def _is_in_network(address: IPv4Address | IPv6Address, entry: str) -> bool:
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, an IPv4 one where IPv6 only wraps it."""
    try:
        address = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _short_address(text: str) -> IPv4Address | None:
    """Return what systems read of `127.1` and the like."""
    try:
        return IPv4Address(socket.inet_aton(text)) if _NUMBERS.fullmatch(text) else None
    except OSError:
        return None


def _ascii(name: str) -> str:
    try:
        return name.lower() if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return ""
