"""`hubferry cache repair`: find what is wrong by reading everything, and fetch just that again."""

from __future__ import annotations

import glob
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output
from hubferry.cli.announced import Subject
from hubferry.cli.cache import selection
from hubferry.cli.command import Command
from hubferry.cli.progress import follow
from hubferry.commits import commit_or_none
from hubferry.errors import NotFoundError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from hubferry.cache.listing import CachedModel
    from hubferry.cache.verify import Verification
    from hubferry.options import Options


@click.command(
    "repair",
    cls=Command,
    help=_(
        "Read every file of the models that NAME means (all that a part of a name fits, or a path), hash it, "
        "and fetch those that are wrong or missing again, at the commit the cache holds. Nothing else is "
        "fetched."
    ),
    examples=("hubferry cache repair flux", "hubferry cache repair ~/flux_model_cache/flux-dev"),
)
@click.argument("name")
@options.transfer()
@options.one_access()
@options.talking()
def repair_command(name: str, **words: Any) -> int:
    """Run the command."""
    from hubferry.cache.foreign import refuse_foreign

    asked = options.build(**words)
    models = selection.models(name, words["cache_dir"])
    for model in models:
        refuse_foreign(model)
    documents = [_repair(model, asked, words) for model in models]
    if words["as_json"]:
        output.document({"models": documents})
    return 0


def _repair(model: CachedModel, asked: Options, words: dict[str, Any]) -> dict[str, object]:
    from hubferry import api
    from hubferry.cache.verify import Scope, verify
    from hubferry.cli.cache.reading import follow_reading
    from hubferry.typed import as_typed

    with follow_reading() as listen:
        found = verify(model.path, scope=Scope(full=True), listen=listen)
    if not found.known or model.ref is None:
        raise NotFoundError(
            _("{model}: nothing is recorded, so nothing tells what is wrong").format(model=model.title),
            side="cache",
            hint=f"hubferry cache check {model.name}",
        )
    fetched = 0
    if found.broken:
        source = str(replace(as_typed(model.ref), revision=_pin(model)))
        asked = replace(asked, directory=model.path)
        if model.judged.selected:
            asked = replace(asked, include=tuple(glob.escape(one.path) for one in found.broken))
        subject = Subject("hubferry cache repair", source, arrives=False)
        with follow(quiet=words["quiet"], style=words["progress"], subject=subject) as hear:
            fetched = api.fetch(source, asked, hear).fetched
    if not words["as_json"] and not words["quiet"]:
        output.data(_sentence(model, found, fetched))
    return {
        "path": str(model.path),
        "repaired": [one.path for one in found.broken],
        "hashed": found.hashed,
        "fetched": fetched,
    }


def _pin(model: CachedModel) -> str | None:
    """Return the commit to repair at; a hub without head commits can only be asked for what it has now."""
    return commit_or_none(model.commit or "")


def _sentence(model: CachedModel, found: Verification, fetched: int) -> str:
    count = len(found.broken)
    if not count:
        return _("{model}: sound, nothing to repair").format(model=output.visible(model.title))
    sentence = ngettext(
        "{model}: {count} file repaired, {size} fetched",
        "{model}: {count} files repaired, {size} fetched",
        count,
    )
    return sentence.format(model=output.visible(model.title), count=count, size=output.size(fetched))
