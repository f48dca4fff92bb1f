"""`hubferry cache list`: a row a model, sorted, filtered, page by page."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import output
from hubferry.cli.cache import pages, selection, words
from hubferry.cli.cache.table import table
from hubferry.cli.command import Command
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hubferry.cache.listing import CachedModel, Listing

_ORDERS: dict[str, Callable[[CachedModel], tuple[object, ...]]] = {
    "size": lambda model: (-model.disk, model.name),
    "used": lambda model: (-model.used, model.name),
    "name": lambda model: (model.title.casefold(), model.name),
}
_NAMED = 10
"""Models that a row of JSON names beside its own; all of them for each would be a square."""


@click.command(
    "list",
    cls=Command,
    help=_(
        "List the models of the cache, or those that NAME fits: a part of a name, or a glob. A row has what "
        "a model takes on the disk, whether it is whole, files, commit, last use, and how much of it other "
        "models or caches store as well; `hubferry cache show` says which. Sizes add up to what du says."
    ),
    examples=(
        "hubferry cache list --sort used",
        "hubferry cache list 'qwen/*-gguf' --hub hf",
        "hubferry cache list --json | jq -r '.models[] | select(.state != \"whole\") | .path'",
        "hubferry cache list --cache-dir ~/flux_model_cache",
    ),
)
@click.argument("name", required=False)
@click.option(
    "--sort",
    type=click.Choice(list(_ORDERS)),
    default="size",
    help=_("The largest first (size), the last used first (used), or by name."),
)
@click.option("--hub", metavar="NAME", help=_("Only models of this hub: hf, ms or one of the file."))
@click.option("--pinned", is_flag=True, help=_("Only pinned models."))
@click.option("--no-pager", is_flag=True, help=_("Print a long list at once on a terminal, too."))
@selection.cache_dir()
@selection.as_json()
def list_command(name: str | None, cache_dir: Path | None, **wishes: Any) -> None:
    """Run the command."""
    gc.disable()  # thousands of small values that all live until the process ends
    listing = selection.fitting(name, cache_dir)
    if wishes["hub"] is not None:
        _refuse_unknown_hub(wishes["hub"], listing)
    chosen = [
        model
        for model in listing.models
        if (model.pinned or not wishes["pinned"])
        and (wishes["hub"] is None or wishes["hub"] in _prefixes(model))
    ]
    chosen.sort(key=_ORDERS[wishes["sort"]])
    if wishes["as_json"]:
        output.document(_document(listing, chosen, cache_dir))
        return
    if chosen:
        rows = table(chosen, everything=None if name else listing, terminal=sys.stdout.isatty())
        pages.show(rows, paged=not wishes["no_pager"])
    _talk(listing, chosen, cache_dir)


def _prefixes(model: CachedModel) -> set[str]:
    """Return what a model's hub is called: by its records, and by the configuration file."""
    from hubferry.typed import as_typed

    return set() if model.ref is None else {model.ref.prefix, as_typed(model.ref).prefix}


def _refuse_unknown_hub(name: str, listing: Listing) -> None:
    """Refuse a hub that nobody knows by this name, with the nearest that is known."""
    from difflib import get_close_matches

    from hubferry.typed import sites

    known = {"hf", "ms", *sites(), *(model.ref.prefix for model in listing.models if model.ref is not None)}
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = _("Did you mean {name}?").format(name=near[0]) if near else "hubferry config show"
    raise UsageError(_("No hub is called “{name}” here.").format(name=name), hint=hint)


def _talk(listing: Listing, chosen: list[CachedModel], cache_dir: Path | None) -> None:
    """Say what it comes to, and what stands out."""
    if not listing.models:
        places = _(", ").join(str(root) for root in selection.roots(cache_dir))
        output.talk(_("the cache is empty: {places}").format(places=places))
    elif not chosen:
        output.talk(_("none of {models} matches").format(models=words.counted(listing.models)))
    else:
        output.talk(_sum(chosen))
    if listing.doomed:
        left = output.size(sum(model.disk for model in listing.doomed))
        output.talk(_("an interrupted removal left {size}").format(size=left))
        output.talk("hubferry cache prune --partial", label=_("hint:"), colour="cyan")


def _sum(chosen: list[CachedModel]) -> str:
    """Return what the models of a table come to together."""
    from hubferry.cache.listing import Listing

    shown = Listing(tuple(chosen))
    sentence = _("{models}, {size} on the disk; removing all of them frees {frees}")
    if shown.shared:
        sentence = _(
            "{models}, {size} on the disk, {shared} of it stored once for several; "
            "removing all of them frees {frees}"
        )
    return sentence.format(
        models=words.counted(chosen),
        size=output.size(shown.disk),
        shared=output.size(shown.shared),
        frees=output.size(shown.frees),
    )


def _document(listing: Listing, chosen: list[CachedModel], cache_dir: Path | None) -> dict[str, object]:
    from hubferry.cache.listing import Listing

    shown = Listing(tuple(chosen))
    return {
        "roots": [str(root) for root in selection.roots(cache_dir)],
        "size": shown.disk,
        "frees": shown.frees,
        "shared_bytes": shown.shared,
        "models": [_row(model, listing) for model in chosen],
    }


def _row(model: CachedModel, listing: Listing) -> dict[str, object]:
    sharing = listing.sharing(model, _NAMED + 1)
    return words.model_document(model) | {
        "shared_with": [one.name for one in sharing[:_NAMED]],
        "shared_with_more": len(sharing) > _NAMED,
    }
