"""Values as people type them: rates, sizes, ages, caps, directories."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hubferry.i18n import _
from hubferry.units import read_size

if TYPE_CHECKING:
    from pathlib import Path

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b?)(?:/s)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_CAP = re.compile(r"\d+|(\d+(?:\.\d+)?)%")
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True, slots=True)
class Rates:
    """Most bytes a second in each direction, None where there is no limit."""

    fetch: int | None = None
    send: int | None = None


class RateType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read `20M` (both directions) or `50M:10M` (fetch, then send); K, M, G are steps of 1024."""

    name = "RATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Rates:
        """Return the rates, or fail with a sentence."""
        if isinstance(value, Rates):
            return value
        words = str(value).split(":")
        rates = [self._one(word.strip()) for word in words]
        if len(rates) > 2 or -1 in rates:  # noqa: PLR2004  # two directions
            self.fail(_("{value!r} is not a rate such as 20M or 50M:10M").format(value=value), param, ctx)
        return Rates(rates[0], rates[-1])

    @staticmethod
    def _one(word: str) -> int | None:
        """Return bytes a second, None for `off`, -1 for what cannot be read or moves nothing."""
        if word.lower() in ("", "off", "0"):
            return None
        match = _RATE.fullmatch(word)
        rate = float(match[1]) * 1024 ** _POWERS[match[2].lower()] if match else 0.0
        return int(rate) if 1 <= rate < math.inf else -1


class SizeType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read `50G`."""

    name = "SIZE"

    def __init__(self, least: int = 0) -> None:
        """Take so many bytes at least."""
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes, or fail with a sentence."""
        size = value if isinstance(value, int) else read_size(str(value))
        if size is None or size < self._least:
            self.fail(_("{value!r} is not a size such as 50G").format(value=value), param, ctx)
        return size


class AgeType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read `30d`, `12h` or `2w` as seconds."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail with a sentence."""
        match = _AGE.fullmatch(str(value).strip())
        if match is None:
            self.fail(_("{value!r} is not an age such as 30d or 12h").format(value=value), param, ctx)
        return float(match[1]) * _SECONDS[match[2].lower()]


class CapType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read `20` (files) or `10%` (of the destination's files)."""

    name = "N|N%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the words, or fail with a sentence."""
        match = _CAP.fullmatch(str(value))
        if match is None or float(match[1] or 0) > 100:  # noqa: PLR2004  # per cent
            self.fail(
                _("{value!r} is neither a number such as 20 nor a share such as 10%").format(value=value),
                param,
                ctx,
            )
        return str(value)


class PlaceType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read the name of a directory, which may not be there yet; `~` and variables mean what a shell means."""

    name = "DIR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return its absolute path, or fail with a sentence."""
        from hubferry.errors import UsageError
        from hubferry.places import expanded

        try:
            place = expanded(str(value))
        except UsageError as error:
            self.fail(error.message, param, ctx)
        if os.path.isfile(place):  # noqa: PTH113 - no error where it may not be looked at
            self.fail(_("{path} is a file, not a directory").format(path=place), param, ctx)
        return place
