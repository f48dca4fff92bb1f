"""Plots of plain numbers as SVG, each with the table that says the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 8, 12, 24
_LINES = 4
_LABELS = 6
_COLOURS = 8
_MOST_DOTS = 60


@dataclass(frozen=True, slots=True)
class Point:
    """One value and what stands below it."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """Values that belong together, in their order; several in one plot have the same labels."""

    label: str
    points: Sequence[Point]


def line_plot(
    title: str, series: Sequence[Series], shown: Callable[[float], str] = str, description: str = ""
) -> Markup:
    """Return a plot of lines, `shown` writes a value as a person reads it."""
    return _figure(title, description, series, shown, _lines)


def bar_plot(
    title: str, series: Sequence[Series], shown: Callable[[float], str] = str, description: str = ""
) -> Markup:
    """Return a plot of bars, those of several series stacked; `shown` writes a value as a person reads it."""
    return _figure(title, description, series, shown, _bars)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where values are in the picture."""

    count: int
    top: float

    @property
    def step(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / max(1, self.count)

    def x(self, position: int) -> float:
        return _LEFT + self.step * (position + 0.5)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value / self.top if self.top else 0.0)


def _figure(
    title: str,
    description: str,
    series: Sequence[Series],
    shown: Callable[[float], str],
    draw: Callable[[_Frame, Sequence[Series], Callable[[float], str]], Markup],
) -> Markup:
    count = max((len(one.points) for one in series), default=0)
    if not count:
        return Markup(
            '<figure class="plot"><figcaption>{}</figcaption><p class="quiet">{}</p></figure>'
        ).format(title, _("Nothing yet."))
    frame = _Frame(count, _round_up(_highest(series, stacked=draw is _bars)))
    return Markup(
        '<figure class="plot"><figcaption>{title}</figcaption>'
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        "<title>{title}</title><desc>{description}</desc>{grid}{labels}{drawn}</svg>{legend}{table}</figure>"
    ).format(
        title=title,
        description=description or title,
        width=_WIDTH,
        height=_HEIGHT,
        grid=_grid(frame, shown),
        labels=_labels(frame, series),
        drawn=draw(frame, series, shown),
        legend=_legend(series),
        table=_table(series, shown),
    )


def _highest(series: Sequence[Series], *, stacked: bool) -> float:
    if stacked:
        count = max(len(one.points) for one in series)
        return max(sum(one.points[at].value for one in series if at < len(one.points)) for at in range(count))
    return max(point.value for one in series for point in one.points)


def _round_up(value: float) -> float:
    """Return the next value that divides well into the lines of the grid."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 < value:
        power *= 10
    while power > value:
        power /= 10
    return next((power * factor for factor in (1, 1.5, 2, 3, 4, 6, 8) if power * factor >= value), power * 10)


def _grid(frame: _Frame, shown: Callable[[float], str]) -> Markup:
    levels = [frame.top * part / _LINES for part in range(_LINES + 1)]
    return Markup("").join(
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text class="axis" x="{}" y="{base:.1f}" text-anchor="end">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, _LEFT - 6, shown(level), y=frame.y(level), base=frame.y(level) + 4)
        for level in levels
    )


def _labels(frame: _Frame, series: Sequence[Series]) -> Markup:
    points = max((one.points for one in series), key=len)
    every = max(1, -(-len(points) // _LABELS))
    return Markup("").join(
        Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            frame.x(at), _HEIGHT - 6, point.label
        )
        for at, point in enumerate(points)
        if at % every == 0
    )


def _lines(frame: _Frame, series: Sequence[Series], shown: Callable[[float], str]) -> Markup:
    drawn = Markup("")
    for number, one in enumerate(series):
        colour = number % _COLOURS + 1
        places = [(frame.x(at), frame.y(point.value), point) for at, point in enumerate(one.points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _point in places)
        drawn += Markup('<polyline class="line part-{}" points="{}"/>').format(colour, path)
        for x, y, point in places if len(places) <= _MOST_DOTS else ():
            drawn += Markup(
                '<circle class="part-{}" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}: {}</title></circle>'
            ).format(colour, x, y, point.label, shown(point.value))
    return drawn


def _bars(frame: _Frame, series: Sequence[Series], shown: Callable[[float], str]) -> Markup:
    drawn, below = Markup(""), [0.0] * frame.count
    width = max(1.0, min(40.0, frame.step * 0.7))
    for number, one in enumerate(series):
        for at, point in enumerate(one.points):
            if point.value <= 0:
                continue
            top = frame.y(below[at] + point.value)
            drawn += Markup(
                '<rect class="part-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1">'
                "<title>{}: {}</title></rect>"
            ).format(
                number % _COLOURS + 1, frame.x(at) - width / 2, top, width, frame.y(below[at]) - top,
                point.label, shown(point.value),
            )  # fmt: skip
            below[at] += point.value
    return drawn


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) < 2:  # noqa: PLR2004  # one is called by the title
        return Markup("")
    items = Markup("").join(
        Markup('<li><span class="swatch part-{}"></span>{}</li>').format(number % _COLOURS + 1, one.label)
        for number, one in enumerate(series)
    )
    return Markup('<ul class="legend">{}</ul>').format(items)


def _table(series: Sequence[Series], shown: Callable[[float], str]) -> Markup:
    points = max((one.points for one in series), key=len)
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(one.label) for one in series)
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            point.label,
            Markup("").join(
                Markup('<td class="number">{}</td>').format(
                    shown(one.points[at].value) if at < len(one.points) else ""
                )
                for one in series
            ),
        )
        for at, point in enumerate(points)
    )
    return Markup(
        '<details class="as-table"><summary>{}</summary><div class="scroll" tabindex="0" role="region" '
        'aria-label="{}"><table><thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table>'
        "</div></details>"
    ).format(_("As a table"), _("As a table"), _("When"), head, rows)
