"""`hubferry cache prune`: remove what a limit says nobody needs, the oldest use first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from hubferry.cache.retention import Policy, Reason
from hubferry.cache.words import reason_name
from hubferry.cli import output
from hubferry.cli.cache import selection, words
from hubferry.cli.cache.clean import preview, remove
from hubferry.cli.command import Command
from hubferry.cli.value_types import AgeType, SizeType
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.cache.listing import CachedModel


@click.command(
    "prune",
    cls=Command,
    help=_(
        "Remove models until the limits hold, the oldest use first. Asks nothing: look with --dry-run. "
        "Pinned models and those that a running transfer holds stay."
    ),
    examples=(
        "hubferry cache prune --max-size 500G --dry-run",
        "hubferry cache prune --older-than 30d --keep-last 3",
        "hubferry cache prune --partial",
    ),
)
@click.option("--max-size", type=SizeType(), help=_("Until all models together take no more than this."))
@click.option("--older-than", type=AgeType(), help=_("What was not used for this long: 30d, 12h, 2w."))
@click.option(
    "--keep-last",
    metavar="N",
    type=click.IntRange(min=0),
    help=_("Keep the N most recently used whatever the other limits say; alone, remove all others."),
)
@click.option(
    "--partial", is_flag=True, help=_("What never arrived whole, and what interrupted removals left.")
)
@click.option(
    "--keep-unpublished", is_flag=True, help=_("Keep what was not yet proven to be at a destination.")
)
@click.option("--dry-run", is_flag=True, help=_("Show what would go; remove nothing."))
@selection.cache_dir()
@selection.as_json()
def prune_command(cache_dir: Path | None, *, dry_run: bool, as_json: bool, **limits: Any) -> None:
    """Run the command."""
    from hubferry.cache import clean
    from hubferry.cache.listing import freed

    listing = selection.listing(cache_dir)
    chosen = clean.plan_prune(listing, Policy(**limits), now=time.time())
    models = [model for model, _reason in chosen]
    swept = sum(model.frees for model in listing.doomed) if limits["partial"] else 0
    frees = freed(models) + swept
    if dry_run:
        gone = models
        if not as_json:
            _show(chosen, frees)
    else:
        if limits["partial"]:
            clean.sweep(listing)
        gone = remove(models, swept=swept)
        if not (models or swept):
            output.talk(_("there is nothing to remove"))
    if as_json:
        went = {id(model) for model in gone}
        rows = [
            words.model_document(model) | {"reason": reason.value}
            for model, reason in chosen
            if id(model) in went
        ]
        output.document({"dry_run": dry_run, "frees": freed(gone) + swept, "models": rows})


def _show(chosen: list[tuple[CachedModel, Reason]], frees: int) -> None:
    if chosen:
        for line in preview(
            [model for model, _reason in chosen], [reason_name(reason) for _model, reason in chosen]
        ):
            output.data(line)
    sentence = _("would remove {models} and free {size}")
    models = [model for model, _reason in chosen]
    output.talk(sentence.format(models=words.counted(models), size=output.size(frees)))
