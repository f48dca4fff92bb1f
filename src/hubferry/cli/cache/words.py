"""Models in words and as JSON."""

from __future__ import annotations

import time
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from hubferry.cache.check import State
from hubferry.cli import output
from hubferry.i18n import _, ngettext
from hubferry.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.cache.listing import CachedModel, Listing
    from hubferry.cache.problem import Problem


def state_word(model: CachedModel) -> str:
    """Return a listed model's state in a word."""
    return _("link") if model.link_to is not None else state_name(model.state)


@cache
def state_name(state: State) -> str:
    """Return a state in a word."""
    return {
        State.WHOLE: _("whole"),
        State.PART: _("part, as asked"),
        State.PARTIAL: _("partial"),
        State.MIXED: _("mixed"),
        State.BROKEN: _("broken"),
        State.UNKNOWN: _("unknown"),
        State.ABSENT: _("absent"),
    }[state]


def day(timestamp: float) -> str:
    """Return the local date of seconds since 1970."""
    return time.strftime("%Y-%m-%d", time.localtime(moment(timestamp)))


def counted(models: Sequence[CachedModel]) -> str:
    """Return how many models these are, in words."""
    return ngettext("{count} model", "{count} models", len(models)).format(count=len(models))


def width(text: str) -> int:
    """Return how many columns a terminal gives to `text`."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def aligned(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Return rows as lines whose columns stand below each other.

    Args:
        rows: Cells; each row has as many as the first.
        right: Numbers of the columns that end, rather than begin, at the same place.
    """
    columns = [max(map(width, column)) for column in zip(*rows, strict=True)]
    ends = frozenset(right)
    lines = []
    for row in rows:
        cells = [
            " " * (columns[number] - width(cell)) + cell
            if number in ends
            else cell + " " * (columns[number] - width(cell))
            for number, cell in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def model_document(model: CachedModel, listing: Listing | None = None) -> dict[str, object]:
    """Return a model as JSON takes it: integer bytes, ISO 8601 times."""
    ref = model.ref
    shared = [] if listing is None else [one.name for one in listing.sharing(model)]
    return {
        "name": model.name,
        "repository": None if ref is None else ref.repo_id,
        "hub": None if ref is None else ref.hub,
        "type": None if ref is None else ref.repo_type,
        "revision": model.judged.revision,
        "commit": model.commit,
        "path": str(model.path),
        "root": str(model.root),
        "state": model.state.value,
        "size": model.disk,
        "frees": model.frees,
        "content": model.size,
        "files": model.files,
        "last_use": output.iso_time(model.used),
        "pinned": model.pinned,
        "published": list(model.published),
        "shared_with": shared,
        "shared_bytes": model.disk - model.frees,
        "link_to": model.link_to,
        "problems": [problem_document(problem) for problem in model.problems],
    }


def problem_document(problem: Problem) -> dict[str, str]:
    """Return a problem as JSON takes it."""
    return {"path": problem.path, "kind": problem.kind.value, "what": problem.what, "hint": problem.hint}
