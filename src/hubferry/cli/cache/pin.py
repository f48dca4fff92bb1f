"""`hubferry cache pin` and `unpin`: what pruning must leave alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.cache import selection
from hubferry.cli.command import Command
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.cache.listing import CachedModel

_MOST_NAMES = 10
"""Models that a message names."""


@click.command(
    "pin",
    cls=Command,
    help=_(
        "Keep the model NAME, whatever prunes, cleans or makes room; only `clean` with its whole name and "
        "--pinned removes it. A part of a name will do where it fits one model."
    ),
    examples=("hubferry cache pin flux",),
)
@click.argument("name")
@selection.cache_dir()
@selection.as_json()
def pin_command(name: str, cache_dir: Path | None, *, as_json: bool) -> None:
    """Run the command."""
    _set(name, cache_dir, pinned=True, as_json=as_json)


@click.command(
    "unpin",
    cls=Command,
    help=_("Let pruning take the model NAME again. A part of a name will do where it fits one model."),
    examples=("hubferry cache unpin flux",),
)
@click.argument("name")
@selection.cache_dir()
@selection.as_json()
def unpin_command(name: str, cache_dir: Path | None, *, as_json: bool) -> None:
    """Run the command."""
    _set(name, cache_dir, pinned=False, as_json=as_json)


def _set(name: str, cache_dir: Path | None, *, pinned: bool, as_json: bool) -> None:
    from hubferry.cache.pinning import set_pinned

    model = _one(name, cache_dir, command="pin" if pinned else "unpin")
    set_pinned(model, pinned=pinned)
    if as_json:
        output.document({"name": model.name, "path": str(model.path), "pinned": pinned})
    sentence = _("pinned {model}") if pinned else _("{model} is no longer pinned")
    output.talk(sentence.format(model=output.visible(model.title)))


def _one(name: str, cache_dir: Path | None, *, command: str) -> CachedModel:
    models = selection.models(name, cache_dir)
    if len(models) > 1:
        titles = sorted(output.visible(selection.distinct(model, models)) for model in models)
        more = len(titles) - _MOST_NAMES
        names = ", ".join(titles[:_MOST_NAMES]) + (f", … (+{more})" if more > 0 else "")
        message = _("{name} means several models: {names}")
        hint = selection.command(command, selection.distinct(models[0], models), directory=cache_dir)
        raise UsageError(message.format(name=name, names=names), hint=hint)
    return models[0]
