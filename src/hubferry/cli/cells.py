"""Measure text in a terminal's cells, shorten names in their middle, and break lines. No terminal in here."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SHARD = re.compile(r"\d+-of-\d+")
_NUMBER = re.compile(r"\d+")
_FRONTS = (0.4, 0.6, 0.2, 0.8)
"""Of the room that a name has, how much its beginning gets; the first that keeps names apart is taken."""


def width(text: str) -> int:
    """Return the cells that a terminal gives to `text`: a Chinese letter takes two."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def head(text: str, cells: int) -> str:
    """Return as much of the beginning of `text` as fits."""
    for at, letter in enumerate(text):
        cells -= _cells(letter)
        if cells < 0:
            return text[:at]
    return text


def tail(text: str, cells: int) -> str:
    """Return as much of the end of `text` as fits."""
    for at in range(len(text), 0, -1):
        cells -= _cells(text[at - 1])
        if cells < 0:
            return text[at:]
    return text


def cut(text: str, cells: int, ellipsis: str) -> str:
    """Return `text`, its end left out where it does not fit."""
    if width(text) <= cells:
        return text
    return head(text, max(0, cells - width(ellipsis))) + head(ellipsis, cells)


def padded(text: str, cells: int, *, right: bool = False) -> str:
    """Return `text` filled up with blanks, before it if it stands at the `right`."""
    blanks = " " * max(0, cells - width(text))
    return blanks + text if right else text + blanks


def wrapped(text: str, cells: int, most: int, ellipsis: str) -> list[str]:
    """Break `text` into at most `most` lines, at blanks where there are any; the last one may be cut."""
    lines: list[str] = []
    rest = text
    while width(rest) > cells and len(lines) < most - 1:
        line = head(rest, cells)
        blank = line.rfind(" ") if rest[len(line) : len(line) + 1] != " " else -1
        line = line[:blank] if blank > len(line) // 2 else line
        lines.append(line.rstrip())
        rest = rest[len(line) :].lstrip()
    return [*lines, cut(rest, cells, ellipsis)]


def shortened(names: Sequence[str], cells: int, ellipsis: str) -> list[str]:
    """Return names that fit, what is in their middle left out; those that differ go on to differ if they can.

    Of shards the numbers are kept: `…00002-of-00003` is another file than `…00001-of-00003`.
    """
    long = [name for name in names if width(name) > cells]
    if not long:
        return list(names)
    common = _common(long)
    ways: list[Callable[[str], str]] = [
        lambda name: _around_number(name, cells, ellipsis),
        *(lambda name, front=front: _middle(name, cells, ellipsis, front) for front in _FRONTS),
        lambda name: cut(head(ellipsis, cells) + name[common:], cells, ellipsis),
    ]
    first: list[str] = []
    for way in ways:
        found = [name if width(name) <= cells else way(name) for name in names]
        if len(set(found)) == len(set(names)):
            return found
        first = first or found
    return first


def _common(names: Sequence[str]) -> int:
    """Return how many letters all of several names begin with."""
    if len(names) < 2:  # noqa: PLR2004  # one has nothing in common
        return 0
    least, most = min(names), max(names)
    pairs = zip(least, most, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), len(least))


def _middle(name: str, cells: int, ellipsis: str, front: float) -> str:
    room = max(0, cells - width(ellipsis))
    begin = head(name, int(room * front))
    return begin + head(ellipsis, cells) + tail(name, room - width(begin))


def _around_number(name: str, cells: int, ellipsis: str) -> str:
    """Keep the number of a shard, else the last number of the file's name, with what fits around it."""
    begin = name.rfind("/") + 1
    numbers = [*_SHARD.finditer(name, begin)] or [*_NUMBER.finditer(name, begin)]
    if not numbers:
        return _middle(name, cells, ellipsis, _FRONTS[0])
    number, dots = numbers[-1], width(ellipsis)
    rest = name[number.start() :]
    if width(rest) + dots <= cells:
        return head(name, cells - dots - width(rest)) + ellipsis + rest
    room = cells - width(number[0]) - 2 * dots
    if room >= 0:
        return head(name[: number.start()], room) + ellipsis + number[0] + ellipsis
    if width(number[0]) + dots <= cells:
        return ellipsis + number[0]
    return head(number[0], max(0, cells - dots)) + head(ellipsis, cells)
