"""Areas that stand for amounts, as near to squares as may be (Bruls, Huizing, van Wijk 2000). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Tile:
    """Where an amount is drawn."""

    x: float
    y: float
    width: float
    height: float


def squarify(amounts: Sequence[float], width: float, height: float) -> list[Tile]:
    """Return a tile for each amount, that fill a rectangle.

    Args:
        amounts: The largest first, none below or at zero.
        width: Of the rectangle.
        height: Of the rectangle.
    """
    whole = sum(amounts)
    if not whole:
        return []
    scale = width * height / whole
    areas = [amount * scale for amount in amounts]
    tiles: list[Tile] = []
    x = y = 0.0
    begin = 0
    while begin < len(areas):
        side = min(width, height)
        end = _row_end(areas, begin, side)
        thickness = sum(areas[begin:end]) / side if side else 0.0
        tiles += _row(areas[begin:end], x, y, thickness, upright=width >= height)
        if width >= height:
            x, width = x + thickness, max(0.0, width - thickness)
        else:
            y, height = y + thickness, max(0.0, height - thickness)
        begin = end
    return tiles


def _row_end(areas: Sequence[float], begin: int, side: float) -> int:
    """Return how far a row goes: as long as that makes its worst tile no worse."""
    end, total = begin + 1, areas[begin]
    while end < len(areas):
        longer = total + areas[end]
        if _worst(areas[begin], areas[end], longer, side) > _worst(areas[begin], areas[end - 1], total, side):
            break
        end, total = end + 1, longer
    return end


def _worst(largest: float, smallest: float, total: float, side: float) -> float:
    if not side or not total or not smallest:
        return float("inf")
    square = (total / side) ** 2
    return max(largest / square, square / smallest)


def _row(areas: Sequence[float], x: float, y: float, thickness: float, *, upright: bool) -> list[Tile]:
    tiles = []
    for area in areas:
        length = area / thickness if thickness else 0.0
        tiles.append(Tile(x, y, thickness, length) if upright else Tile(x, y, length, thickness))
        if upright:
            y += length
        else:
            x += length
    return tiles
