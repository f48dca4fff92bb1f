"""`hubferry cache clean`: remove models, after a question."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.cache import selection, words
from hubferry.cli.command import Command
from hubferry.errors import UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.cache.listing import CachedModel


@click.command(
    "clean",
    cls=Command,
    help=_(
        "Remove the models that NAME means, or a part of it; without NAME all that are not pinned. Shows "
        "what would go and how much that frees, and asks. Never removes what a running transfer holds: "
        "exit code 8."
    ),
    examples=("hubferry cache clean flux", "hubferry cache clean gpt2 --force", "hubferry cache clean"),
)
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help=_("Ask nothing."))
@selection.cache_dir()
@selection.as_json()
def clean_command(name: str | None, cache_dir: Path | None, *, force: bool, as_json: bool) -> None:
    """Run the command."""
    from hubferry.cache import clean
    from hubferry.cache.listing import freed

    there = selection.listing(cache_dir)
    chosen = there.matching(name) if name else tuple(one for one in there.models if not one.pinned)
    kept = 0 if name else len(there.models) - len(chosen)
    swept = 0 if name else clean.sweep(there)  # whoever began these removals was asked then
    if swept:
        output.talk(_("{size} are free again").format(size=output.size(swept)))
    elif not chosen:
        output.talk(_("there is nothing to remove"))
    if chosen:
        clean.refuse_held(chosen)
        frees = freed(chosen)
        if not (force or _agreed(chosen, frees, name)):
            output.talk(_("nothing was removed"))
            chosen, frees = (), 0
        remove(chosen, frees)
    if kept:
        sentence = ngettext("{count} pinned model stays", "{count} pinned models stay", kept)
        output.talk(sentence.format(count=kept))
    if as_json:
        output.document(
            {"removed": [str(model.path) for model in chosen], "freed": swept + (frees if chosen else 0)}
        )


def remove(models: Sequence[CachedModel], frees: int) -> None:
    """Remove models one by one and say so."""
    from hubferry.cache import clean

    for model in models:
        clean.remove(model)
        output.talk(_("removed {model}").format(model=output.visible(model.title)))
    if models:
        output.talk(_("{size} are free again").format(size=output.size(frees)))


def preview(models: Sequence[CachedModel], notes: Sequence[str] = ()) -> list[str]:
    """Return what would go: one line a model, with a note where there is one."""
    rows = [
        [output.size(model.disk), output.visible(model.title), str(model.path), *notes[number : number + 1]]
        for number, model in enumerate(models)
    ]
    return words.aligned(rows, right=(0,))


def _agreed(models: Sequence[CachedModel], frees: int, name: str | None) -> bool:
    """Show what would go, and ask; anything but yes is no."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            _("there is no terminal to ask at; nothing was removed"),
            hint=shlex.join(["hubferry", "cache", "clean", *([name] if name else []), "--force"]),
        )
    for line in preview(models):
        output.talk(f"  {line}")
    question = _("remove {models}? That frees {size}. [y/N]")
    output.talk(question.format(models=words.counted(models), size=output.size(frees)))
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")
