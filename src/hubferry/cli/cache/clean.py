"""`hubferry cache clean`: remove models, after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubferry.cli import asking, output
from hubferry.cli.cache import selection, words
from hubferry.cli.command import Command
from hubferry.errors import DiskError, PinnedError, UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.cache.listing import CachedModel


@click.command(
    "clean",
    cls=Command,
    help=_(
        "Remove the models that NAME means; without NAME all. A whole name means that model alone, and a "
        "part of one all that it fits. Shows what would go and how much that frees, and asks. Pinned models "
        "stay: only the whole name of one with --pinned removes it. Never removes what a running transfer "
        "holds: exit code 8."
    ),
    examples=(
        "hubferry cache clean flux --dry-run",
        "hubferry cache clean openai-community/gpt2 --force",
        "hubferry cache clean",
    ),
)
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help=_("Ask nothing."))
@click.option("--pinned", is_flag=True, help=_("Remove a pinned model, too, if NAME is its whole name."))
@click.option("--dry-run", is_flag=True, help=_("Show what would go; remove nothing."))
@selection.cache_dir()
@selection.as_json()
def clean_command(
    name: str | None, cache_dir: Path | None, *, force: bool, pinned: bool, dry_run: bool, as_json: bool
) -> None:
    """Run the command."""
    from hubferry.cache import clean

    if pinned and name is None:
        raise refuse_all_pinned("hubferry cache clean NAME --pinned")
    swept = 0
    if name is not None:
        chosen, kept = choose(name, cache_dir, pinned=pinned)
    else:
        there = selection.listing(cache_dir)
        chosen, kept = clean.spare_pinned(clean.removable(there.models), allowed=False)
        swept = 0 if dry_run else clean.sweep(there)  # whoever began these removals was asked then
    if swept:
        output.talk(_("{size} are free again").format(size=output.size(swept)))
    elif not chosen:
        output.talk(_("there is nothing to remove"))
    clean.refuse_held(chosen)
    if dry_run:
        gone = _show(chosen)
    else:
        command = selection.command("clean", *([name] if name else []), "--force", directory=cache_dir)
        gone = remove(chosen, pinned=pinned) if force or _agreed(chosen, command) else []
    _name_those_that_stay(kept, named=name is not None)
    if as_json:
        output.document(_document(gone, kept, swept=swept, dry_run=dry_run))


def _document(
    gone: Sequence[CachedModel], kept: Sequence[CachedModel], *, swept: int, dry_run: bool
) -> dict[str, object]:
    from hubferry.cache.listing import freed

    return {
        "removed": [str(model.path) for model in gone],
        "freed": swept + freed(gone),
        "kept": [str(model.path) for model in kept],
        "dry_run": dry_run,
    }


def choose(name: str, cache_dir: Path | None, *, pinned: bool) -> tuple[list[CachedModel], list[CachedModel]]:
    """Return which models to remove, and which `name` means as well and stay, since they are pinned.

    Raises:
        NotFoundError: `name` means none.
        PinnedError: It means a pinned one that it does not remove.
    """
    from hubferry.cache.clean import spare_pinned

    found = selection.find(name, cache_dir)
    going, kept = spare_pinned(found.models, allowed=pinned and found.full)
    if kept and (pinned or (found.full and not going)):
        name = selection.distinct(kept[0], found.models)
        raise _pinned(kept[0], selection.command("clean", name, "--pinned", directory=cache_dir))
    return going, kept


def _pinned(model: CachedModel, command: str) -> PinnedError:
    """Return the error for a pinned model whose removal was asked for, and the `command` that removes it."""
    message = _("{model} is pinned, and stays").format(model=output.visible(model.title))
    return PinnedError(message, side="cache", path=str(model.path), hint=command)


def refuse_all_pinned(hint: str) -> UsageError:
    """Return the error for --pinned without the name of a model."""
    return UsageError(_("--pinned removes one pinned model, and needs its whole name"), hint=hint)


def _name_those_that_stay(kept: Sequence[CachedModel], *, named: bool) -> None:
    if not kept:
        return
    sentence = ngettext("{count} pinned model stays", "{count} pinned models stay", len(kept))
    if named:
        for model in kept:
            output.talk(_("{model} is pinned, and stays").format(model=output.visible(model.title)))
    output.talk(sentence.format(count=len(kept)))


def remove(models: Sequence[CachedModel], *, pinned: bool = False, swept: int = 0) -> list[CachedModel]:
    """Remove models one by one and say so; return those that went.

    Args:
        models: As they were listed; one that was pinned since stays.
        pinned: Whether pinned ones go as well.
        swept: Bytes that are free again already.
    """
    from hubferry.cache import clean
    from hubferry.cache.listing import freed

    gone: list[CachedModel] = []
    for model in models:
        try:
            clean.remove(model, pinned=pinned)
        except PinnedError as error:
            output.talk(error.message)
            continue
        except DiskError:
            if clean.is_gone(model):  # another cleaning was faster
                continue
            raise
        gone.append(model)
        output.talk(_("removed {model}").format(model=output.visible(model.title)))
    if gone or swept:
        output.talk(_("{size} are free again").format(size=output.size(freed(gone) + swept)))
    return gone


def preview(models: Sequence[CachedModel], notes: Sequence[str] = ()) -> list[str]:
    """Return what would go: one line a model, with a note where there is one."""
    rows = [
        [output.size(model.disk), output.visible(model.title), str(model.path), *notes[number : number + 1]]
        for number, model in enumerate(models)
    ]
    return words.aligned(rows, right=(0,))


def _show(models: Sequence[CachedModel]) -> Sequence[CachedModel]:
    """Print what would go, and how much that would free."""
    from hubferry.cache.listing import freed

    for line in preview(models) if models else ():
        output.talk(f"  {line}")
    if models:
        sentence = _("would remove {models} and free {size}")
        output.talk(sentence.format(models=words.counted(models), size=output.size(freed(models))))
    return models


def _agreed(models: Sequence[CachedModel], command: str) -> bool:
    """Show what would go, and ask; anything but yes is no. The `command` would ask nothing."""
    from hubferry.cache.listing import freed

    if not models:
        return False
    for line in preview(models):
        output.talk(f"  {line}")
    asking.require_terminal(_("there is no terminal to ask at; nothing was removed"), command)
    question = _("remove {models}? That frees {size}. [y/N]")
    output.talk(question.format(models=words.counted(models), size=output.size(freed(models))))
    if asking.is_answered_with_yes():
        return True
    output.talk(_("nothing was removed"))
    return False
