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

_SECONDS = 5.0
"""To wait for a run that holds the model."""


@click.command(
    "pin",
    cls=Command,
    help=_("Keep pruning, and a clean of everything, away from the model NAME."),
    examples=("hubferry cache pin flux",),
)
@click.argument("name")
@selection.cache_dir()
def pin_command(name: str, cache_dir: Path | None) -> None:
    """Run the command."""
    _set(name, cache_dir, pinned=True)


@click.command(
    "unpin",
    cls=Command,
    help=_("Let pruning take the model NAME again."),
    examples=("hubferry cache unpin flux",),
)
@click.argument("name")
@selection.cache_dir()
def unpin_command(name: str, cache_dir: Path | None) -> None:
    """Run the command."""
    _set(name, cache_dir, pinned=False)


def _set(name: str, cache_dir: Path | None, *, pinned: bool) -> None:
    from hubferry.cache.directory import ModelDirectory

    model = _one(name, cache_dir)
    if model.ref is None:
        raise UsageError(
            _("nothing is recorded about {model}, so it cannot be pinned").format(model=model.title),
            hint=f"hubferry cache adopt {model.path}",
        )
    directory = ModelDirectory(model.path, model.ref)
    with directory.hold(wait=_SECONDS):
        directory.pin(pinned=pinned)
    sentence = _("pinned {model}") if pinned else _("{model} is no longer pinned")
    output.talk(sentence.format(model=output.visible(model.title)))


def _one(name: str, cache_dir: Path | None) -> CachedModel:
    models = selection.models(name, cache_dir)
    if len(models) > 1:
        names = ", ".join(sorted(model.title for model in models))
        message = _("{name} means several models: {names}")
        raise UsageError(message.format(name=name, names=names), hint=f"hubferry cache pin {models[0].name}")
    return models[0]
