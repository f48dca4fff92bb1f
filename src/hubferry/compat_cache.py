"""What the script that cleans the caches does: list them, and delete what is agreed upon."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cli import asking, output
from hubferry.compat import say
from hubferry.errors import NotFoundError, PinnedError
from hubferry.i18n import _, ngettext
from hubferry.places import from_home

if TYPE_CHECKING:
    from hubferry.cache.listing import CachedModel, Listing


def list_caches() -> int:
    """Print every cached model with its size, per cache and in all."""
    listing = _listing()
    for root in dict.fromkeys(model.root for model in listing.models):
        models = [model for model in listing.models if model.root == root]
        say(_("📁 {path}").format(path=from_home(root)))
        for model in sorted(models, key=lambda one: -one.disk):
            say(f"   {output.size(model.disk):>10}  {output.visible(model.title)}{_state_words(model)}")
        say(f"   {output.size(sum(model.disk for model in models)):>10}  " + _count(len(models)))
    if not listing.models:
        say(_("The caches are empty"))
    say(_("💾 In all: {size}").format(size=output.size(listing.disk)))
    return 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What else was asked of a cleaning: no question, a pinned model as well, or only a look."""

    force: bool = False
    pinned: bool = False
    dry_run: bool = False


def clean_caches(name: str | None, wishes: Wishes) -> int:
    """Delete the models that `name` means, or all, but no pinned ones; asks first unless forced.

    Raises:
        NotFoundError: The name means nothing.
        UsageError: There is nobody to ask, or a pinned model was named without --pinned.
        LockedError: A running transfer holds one of them; nothing was deleted.
    """
    from hubferry.cache import clean, listing

    chosen, kept = _choose(name, wishes)
    for model in kept:
        say(_("📌 Pinned, and stays: {model}").format(model=output.visible(model.title)))
    if not chosen:
        say(_("There is nothing to delete") if kept else _("The caches are empty"))
        return 0
    clean.refuse_held(chosen)
    say(_("🧹 To be deleted:"))
    for model in chosen:
        say(f"   {output.size(model.disk):>10}  {from_home(model.path)}")
    say(_("   frees {size}").format(size=output.size(listing.freed(chosen))))
    if wishes.dry_run or not (wishes.force or _agreed()):
        say(_("Nothing was deleted"))
        return 0
    gone = _remove(chosen, pinned=wishes.pinned)
    say(_("✅ Deleted: {models}").format(models=_count(gone)))
    return 0


def _choose(name: str | None, wishes: Wishes) -> tuple[list[CachedModel], list[CachedModel]]:
    """Return what goes, and what would go as well if it were not pinned."""
    from hubferry.cache.clean import removable, spare_pinned
    from hubferry.cache.lookup import look_up
    from hubferry.cache.roots import all_roots
    from hubferry.cli.cache.clean import refuse_all_pinned

    script = f"python {shlex.quote(sys.argv[0])}"
    if name is None:
        if wishes.pinned:
            raise refuse_all_pinned(f"{script} clean NAME --pinned")
        return spare_pinned(removable(_listing().models), allowed=False)
    try:
        found = look_up(name, all_roots())
    except NotFoundError as error:
        error.hint = (error.hint or "").replace("hubferry cache list", f"{script} list")
        raise
    going, kept = spare_pinned(found.models, allowed=wishes.pinned and found.full)
    if kept and (wishes.pinned or (found.full and not going)):
        raise PinnedError(
            _("{model} is pinned, and stays").format(model=output.visible(kept[0].title)),
            side="cache",
            path=str(kept[0].path),
            hint=f"{script} clean {shlex.quote(kept[0].title)} --pinned",
        )
    return going, kept


def _remove(models: list[CachedModel], *, pinned: bool) -> int:
    """Delete models; return how many went, less those that were pinned since they were listed."""
    from hubferry.cache import clean

    gone = 0
    for model in models:
        try:
            clean.remove(model, pinned=pinned)
            gone += 1
        except PinnedError as error:
            say(error.message)
    return gone


def _agreed() -> bool:
    """Ask; anything but yes is no."""
    command = shlex.join(["python", *sys.argv, "--force"])
    asking.require_terminal(_("there is no terminal to ask at; nothing was deleted"), command)
    sys.stdout.write(_("Really delete? [y/N] "))
    sys.stdout.flush()
    return asking.is_answered_with_yes()


def _listing() -> Listing:
    from hubferry.cache.listing import list_models
    from hubferry.cache.roots import all_roots

    return list_models(all_roots())


def _state_words(model: CachedModel) -> str:
    pinned = _(" (pinned)") if model.pinned else ""
    words = {
        "whole": "",
        "part": _(" (part, as asked)"),
        "partial": _(" (not finished)"),
        "mixed": _(" (mixed)"),
        "broken": _(" (broken)"),
    }
    return pinned + words.get(model.state.value, _(" (not verified)"))


def _count(number: int) -> str:
    return ngettext("{count} model", "{count} models", number).format(count=number)
