"""Quantities as a person reads them."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_LATEST = 253_402_300_799.0  # the last second of the year 9999


def size(count: int) -> str:
    """Return bytes as a person reads them, in steps of 1024: `23.1 GiB`."""
    value = float(count)
    for unit in _UNITS[:-1]:
        if abs(value) < _STEP - 0.05 or (unit == "B" and abs(count) < _STEP):
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.1f} {_UNITS[-1]}"


def moment(seconds: float) -> float:
    """Return seconds since 1970 as any calendar can show them; files and records may say anything."""
    return min(max(seconds, 0.0), _LATEST)
