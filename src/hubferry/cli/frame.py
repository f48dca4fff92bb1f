"""Lay out the lines that redraw: the total first, then the files in flight. No terminal in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cli import cells, output
from hubferry.cli.sentences import counted
from hubferry.cli.waiting import waiting_words
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.cli.tally import Meter, Snapshot
    from hubferry.events import Direction

_MOST_FILES = 12
_MOST_WAITING_LINES = 3
_SMALL_FILE = 1024 * 1024
"""Files under this many bytes come and go too fast to read."""
_WIDEST_BAR, _NARROWEST_BAR = 20, 6
_SHORTEST_NAME = 19
"""Cells, of an arrow and a shard's number, that a name keeps while there is another column to leave out."""
_WIDEST_SIZE = len("1023.9 KiB")
_RATE, _LEFT, _PERCENT = 12, 11, 4
"""Cells of these columns, whatever stands in them: what is drawn anew must not jump."""
_GAP = 2


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What is drawn with, as the terminal can show it."""

    fetch: str = "↓"
    send: str = "↑"
    ellipsis: str = "…"
    done: str = "━"
    rest: str = "╌"

    def arrow(self, direction: Direction) -> str:
        """Return the sign of a direction."""
        return self.send if direction == "send" else self.fetch


PLAIN = Glyphs("<", ">", "~", "#", "-")
"""For every other terminal: nothing of it is of doubtful width."""


@dataclass(frozen=True, slots=True)
class Space:
    """What the terminal has room for, and how it can show it.

    Attributes:
        columns: Cells of a line; none is filled to its end, where some terminals begin another.
        lines: Lines.
        glyphs: What is drawn with.
        shown: Returns a text as the terminal's encoding shows it.
    """

    columns: int
    lines: int = 24
    glyphs: Glyphs = Glyphs()
    shown: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    meter: Meter

    @property
    def amount(self) -> str:
        return f"{output.size(self.meter.done)}/{output.size(self.meter.total)}"

    @property
    def percent(self) -> str:
        return f"{min(100, 100 * self.meter.done // max(1, self.meter.total))}%"

    @property
    def rate(self) -> str:
        return f"{output.size(round(self.meter.rate))}/s"

    @property
    def left(self) -> str:
        left = self.meter.seconds_left
        return "-" if left is None else output.duration(left)


_Column = tuple[int, "Callable[[_Row], str]"]


def lines(now: Snapshot, space: Space, wall: float) -> list[str]:
    """Return what to draw: the whole, each direction, the large files in flight, what is waited for.

    Args:
        now: Where everything stands.
        space: Room and signs.
        wall: Seconds since 1970.
    """
    room, dots = max(1, space.columns - 1), space.glyphs.ellipsis
    drawn = []
    whole = [_Row(space.shown(word), meter) for word, meter in _directions(now) if meter.total]
    if whole or now.of_repositories:
        drawn.append(cells.cut(space.shown(_sum(now)), room, dots))
    waiting = _waiting(now, space, room, wall)
    most = max(0, min(_MOST_FILES, space.lines - 2 - len(drawn) - len(whole) - len(waiting)))
    large = [one for one in now.flight if one[2].total >= _SMALL_FILE][:most]
    columns = _columns([*whole, *(_Row(path, meter) for _direction, path, meter in large)], room)
    return [*drawn, *_drawn(whole, columns, space, room), *_files(large, columns, space, room), *waiting]


def _directions(now: Snapshot) -> tuple[tuple[str, Meter], tuple[str, Meter]]:
    return (_("fetched"), now.fetch), (_("sent"), now.send)


def _sum(now: Snapshot) -> str:
    done, left = counted(now), now.seconds_left
    return _(", ").join([done, _("{time} left").format(time=output.duration(left))] if left else [done])


def _waiting(now: Snapshot, space: Space, room: int, wall: float) -> list[str]:
    if now.waiting is None:
        return []
    words = output.presentable(waiting_words(now.waiting, max(0.0, now.waiting.until - wall)))
    return cells.wrapped(space.shown(words), room, _MOST_WAITING_LINES, space.glyphs.ellipsis)


def _columns(rows: list[_Row], room: int) -> list[_Column]:
    """Return the columns at the right: as many as leave the names their room."""
    totals = [cells.width(output.size(row.meter.total)) for row in rows]
    widest = max((max(_WIDEST_SIZE, width) + 1 + width for width in totals), default=0)
    amount, percent = (widest, lambda row: row.amount), (_PERCENT, lambda row: row.percent)
    rate, left = (_RATE, lambda row: row.rate), (_LEFT, lambda row: row.left)
    choices: tuple[list[_Column], ...] = ([amount, rate, left], [percent, rate, left], [percent, rate])
    for columns in choices:
        if room - _taken(columns) >= _SHORTEST_NAME:
            return columns
    return [percent]


def _taken(columns: list[_Column]) -> int:
    return sum(width + _GAP for width, _text in columns)


def _files(
    flight: list[tuple[Direction, str, Meter]], columns: list[_Column], space: Space, room: int
) -> list[str]:
    before = [f"  {space.glyphs.arrow(direction)} " for direction, _path, _meter in flight]
    names = [space.shown(output.visible(path)) for _direction, path, _meter in flight]
    width = max(map(cells.width, before), default=0)
    names = cells.shortened(names, max(1, room - _taken(columns) - width), space.glyphs.ellipsis)
    rows = [_Row(arrow + name, one[2]) for arrow, name, one in zip(before, names, flight, strict=True)]
    return _drawn(rows, columns, space, room)


def _drawn(rows: list[_Row], columns: list[_Column], space: Space, room: int) -> list[str]:
    """Return a line a row: its name, a bar where there is room for one, the columns."""
    wide = room - _taken(columns)
    bar = min(_WIDEST_BAR, wide - _GAP - max((cells.width(row.name) for row in rows), default=0))
    drawn = []
    for row in rows:
        if bar >= _NARROWEST_BAR:
            line = cells.padded(row.name, wide - bar) + _bar(row.meter, bar, space.glyphs)
        else:
            line = cells.padded(cells.cut(row.name, wide, space.glyphs.ellipsis), wide)
        texts = (" " * _GAP + cells.padded(text(row), width, right=True) for width, text in columns)
        drawn.append(line + "".join(texts))
    return drawn


def _bar(meter: Meter, width: int, glyphs: Glyphs) -> str:
    full = min(width, width * max(0, meter.done) // max(1, meter.total))
    return glyphs.done * full + glyphs.rest * (width - full)
