"""On which line of a TOML file a key stands, which the parser does not say; None where it cannot be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str, ...]

_WORD = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_DOTTED = rf"{_WORD}(?:\s*\.\s*{_WORD})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")


def positions(text: str) -> Mapping[Path, int]:
    """Return the line, counted from 1, of each table and key that begins one; the first of each counts."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.fullmatch(line):
            table = _words(match[1])
            _note(found, table, number)
        elif match := _KEY.match(line):
            _note(found, table + _words(match[1]), number)
    return found


def _note(found: dict[Path, int], path: Path, number: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], number)


def _words(dotted: str) -> Path:
    return tuple(word.strip("\"'") for word in re.findall(_WORD, dotted))


def line_of(found: Mapping[Path, int], path: Path) -> int | None:
    """Return the line of a key, or of the nearest table around it."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path)
