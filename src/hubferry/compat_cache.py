"""What the script that cleans the caches does: list them, and delete what is agreed upon."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.compat import from_home, say
from hubferry.errors import UsageError
from hubferry.i18n import _, ngettext

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


def clean_caches(name: str | None, *, force: bool) -> int:
    """Delete the models that `name` is a part of, or all; asks first unless `force`.

    Raises:
        NotFoundError: The name matches nothing.
        UsageError: There is nobody to ask.
        LockedError: A running transfer holds one of them; nothing was deleted.
    """
    from hubferry.cache import clean, listing

    there = _listing()
    chosen = there.matching(name) if name else there.models
    if not chosen:
        say(_("The caches are empty"))
        return 0
    clean.refuse_held(chosen)
    say(_("🧹 To be deleted:"))
    for model in chosen:
        say(f"   {output.size(model.disk):>10}  {from_home(model.path)}")
    say(_("   frees {size}").format(size=output.size(listing.freed(chosen))))
    if not (force or _agreed()):
        say(_("Nothing was deleted"))
        return 0
    for model in chosen:
        clean.remove(model)
    say(_("✅ Deleted: {models}").format(models=_count(len(chosen))))
    return 0


def _agreed() -> bool:
    """Ask; anything but yes is no."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            _("there is no terminal to ask at; nothing was deleted"),
            hint=f"python {' '.join(sys.argv)} --force",
        )
    sys.stdout.write(_("Really delete? [y/N] "))
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


def _listing() -> Listing:
    from hubferry.cache.listing import list_models
    from hubferry.cache.roots import all_roots

    return list_models(all_roots())


def _state_words(model: CachedModel) -> str:
    words = {
        "whole": "",
        "part": _(" (part, as asked)"),
        "partial": _(" (not finished)"),
        "mixed": _(" (mixed)"),
        "broken": _(" (broken)"),
    }
    return words.get(model.state.value, _(" (not verified)"))


def _count(number: int) -> str:
    return ngettext("{count} model", "{count} models", number).format(count=number)
