"""Quantities and names as a person reads them."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_WRITTEN = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_LATEST = 253_402_300_799.0  # the last second of the year 9999


def size(count: int) -> str:
    """Return bytes as a person reads them, in steps of 1024: `23.1 GiB`."""
    value = float(count)
    for unit in _UNITS[:-1]:
        if abs(value) < _STEP - 0.05 or (unit == "B" and abs(count) < _STEP):
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.1f} {_UNITS[-1]}"


def read_size(text: str) -> int | None:
    """Return the bytes that `500G`, `1.5 TiB` or `1000` means, in steps of 1024; None for anything else."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        return None
    count = float(match[1]) * _STEP ** _POWERS[match[2].lower()]
    return int(count) if count < math.inf else None


def moment(seconds: float) -> float:
    """Return seconds since 1970 as any calendar can show them; files and records may say anything."""
    return min(max(seconds, 0.0), _LATEST)


def clock(timestamp: float, now: float, *, seconds: bool = False) -> str:
    """Return a moment as the clock on the wall shows it, with the date unless that is today's."""
    at, today = (datetime.fromtimestamp(moment(one), timezone.utc).astimezone() for one in (timestamp, now))
    day = "" if at.date() == today.date() else "%Y-%m-%d "
    return at.strftime(day + ("%H:%M:%S" if seconds else "%H:%M"))


def visible(name: str) -> str:
    """Return a hub's file name on one line, without anything that a terminal would obey."""
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
