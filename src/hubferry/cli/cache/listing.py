"""`hubferry cache list`: every model, the largest first."""

from __future__ import annotations

import gc
import shutil
import sys
from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.cache import selection, words
from hubferry.cli.command import Command
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.cache.listing import CachedModel, Listing

_BAR = 16
_NARROW = 90
"""Columns of a terminal below which the bars would push the names over its edge."""


@click.command(
    "list",
    cls=Command,
    help=_(
        "List the models of the cache, the largest first: what they take on the disk, whether they are "
        "whole, files, commit, last use, and where else their bytes live. Sizes add up to what du says."
    ),
    examples=(
        "hubferry cache list",
        "hubferry cache list --json | jq -r '.models[] | select(.state != \"whole\") | .path'",
        "hubferry cache list --cache-dir ~/flux_model_cache",
    ),
)
@selection.cache_dir()
@selection.as_json()
def list_command(cache_dir: Path | None, *, as_json: bool) -> None:
    """Run the command."""
    gc.disable()  # thousands of small values that all live until the process ends
    listing = selection.listing(cache_dir)
    models = sorted(listing.models, key=lambda model: (-model.disk, model.name))
    if as_json:
        output.document(_document(listing, models, cache_dir))
        return
    if models:
        output.data("\n".join(_lines(listing, models, terminal=sys.stdout.isatty())))
    _talk(listing, cache_dir)


def _lines(listing: Listing, models: list[CachedModel], *, terminal: bool) -> list[str]:
    """Return the table; on a terminal that is wide enough with bars."""
    bars = terminal and shutil.get_terminal_size().columns >= _NARROW
    largest = max(model.disk for model in models) or 1
    rows = [_heads(bars=bars)]
    rows += [_row(model, listing, largest=largest, bars=bars) for model in models]
    return words.aligned(rows, right=(0, 3 if bars else 2))


def _heads(*, bars: bool) -> list[str]:
    heads = [_("SIZE"), _("STATE"), _("FILES"), _("COMMIT"), _("LAST USE"), _("MODEL")]
    if bars:
        heads.insert(1, "")
    return heads


def _row(model: CachedModel, listing: Listing, *, largest: int, bars: bool) -> list[str]:
    row = [
        output.size(model.disk),
        words.state_word(model),
        str(model.files),
        model.commit[:12] if model.commit else "-",
        words.day(model.used),
        output.visible(model.title) + "".join(f"  {mark}" for mark in _marks(model, listing)),
    ]
    if bars:
        row.insert(1, "█" * max(1 if model.disk else 0, round(_BAR * model.disk / largest)))
    return row


def _marks(model: CachedModel, listing: Listing) -> list[str]:
    """Return what else there is to say about a model, each in parentheses."""
    marks = []
    if model.pinned:
        marks.append(_("(pinned)"))
    if model.link_to is not None:
        marks.append(_("(link to {path})").format(path=output.visible(model.link_to)))
    shared = model.disk - model.frees
    if shared:
        names = [output.visible(one.title) for one in listing.sharing(model)] or [_("another cache")]
        mark = _("({size} shared with {names})")
        marks.append(mark.format(size=output.size(shared), names=_(", ").join(names)))
    return marks


def _talk(listing: Listing, cache_dir: Path | None) -> None:
    """Say what it comes to, and what stands out."""
    if not listing.models:
        places = _(", ").join(str(root) for root in selection.roots(cache_dir))
        output.talk(_("the cache is empty: {places}").format(places=places))
    else:
        sentence = _("{models}, {size} on the disk; removing all of them frees {frees}")
        output.talk(
            sentence.format(
                models=words.counted(listing.models),
                size=output.size(listing.disk),
                frees=output.size(listing.frees),
            )
        )
    if listing.doomed:
        left = output.size(sum(model.disk for model in listing.doomed))
        output.talk(_("an interrupted removal left {size}").format(size=left))
        output.talk("hubferry cache prune --partial", label=_("hint:"), colour="cyan")


def _document(listing: Listing, models: list[CachedModel], cache_dir: Path | None) -> dict[str, object]:
    return {
        "roots": [str(root) for root in selection.roots(cache_dir)],
        "size": listing.disk,
        "frees": listing.frees,
        "models": [words.model_document(model, listing) for model in models],
    }
