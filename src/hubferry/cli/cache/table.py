"""The table of `hubferry cache list`: one short row a model, whatever it shares."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.cli.cache import words
from hubferry.cli.cells import width
from hubferry.commits import commit_of, short
from hubferry.i18n import _
from hubferry.places import from_home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.cache.listing import CachedModel, Listing

_BAR = 16
_NARROW = 90
"""Columns of a terminal below which the bars would push the names over its edge."""
_LEAST = 20
"""Columns that a name keeps on any terminal."""
_PLACE = 30
"""Columns for where a link leads, or a second model of one name lies."""


def table(models: Sequence[CachedModel], *, everything: Listing | None, terminal: bool) -> list[str]:
    """Return the lines of the table.

    Args:
        models: In the order of the rows; one at least.
        everything: All models of the cache, where it was looked through for them.
        terminal: Whether to draw bars, where it is wide enough, and to shorten names to its width.
    """
    columns = shutil.get_terminal_size().columns if terminal else None
    bars = columns is not None and columns >= _NARROW
    largest = max(model.disk for model in models) or 1
    titles = Counter(model.title for model in models)
    facts = [_heads(bars=bars), *(_facts(model, largest=largest, bars=bars) for model in models)]
    lines = words.aligned(facts, right=(0, 3 if bars else 2), keep=True)
    names = [(_("MODEL"), "")]
    names += [
        (
            output.visible(model.title),
            _marks(model, everything, twice=titles[model.title] > 1, places=_PLACE if terminal else None),
        )
        for model in models
    ]
    if columns is not None:
        room = columns - width(lines[0]) - 2
        names = [(_cut(name, room - width(marks)), marks) for name, marks in names]
    return [f"{line}  {name}{marks}" for line, (name, marks) in zip(lines, names, strict=True)]


def _cut(name: str, room: int) -> str:
    return words.shortened(name, max(room, _LEAST))


def _heads(*, bars: bool) -> list[str]:
    heads = [_("SIZE"), _("STATE"), _("FILES"), _("COMMIT"), _("LAST USE")]
    return [heads[0], "", *heads[1:]] if bars else heads


def _facts(model: CachedModel, *, largest: int, bars: bool) -> list[str]:
    commit = None if model.ref is None else commit_of(model.ref.hub, model.commit)
    facts = [
        output.size(model.disk),
        words.state_word(model),
        str(model.files),
        short(commit) if commit else "-",
        words.day(model.used),
    ]
    if bars:
        facts.insert(1, "█" * max(1 if model.disk else 0, round(_BAR * model.disk / largest)))
    return facts


def _marks(model: CachedModel, everything: Listing | None, *, twice: bool, places: int | None) -> str:
    """Return what else there is to say about a model, each in parentheses; who shares is not."""
    marks = []
    if model.pinned:
        marks.append(_("(pinned)"))
    if model.link_to is not None:
        place = output.visible(model.link_to)
        marks.append(_("(link to {path})").format(path=words.shortened(place, places)))
    if twice:
        place = output.visible(from_home(model.root))
        marks.append(_("(in {path})").format(path=words.shortened(place, places)))
    shared = model.usage.shared
    if shared:
        mark = _("({size} shared)")
        if everything is not None and not everything.sharing(model, 1):
            mark = _("({size} shared with another cache)")
        marks.append(mark.format(size=output.size(shared)))
    return "".join(f"  {mark}" for mark in marks)
