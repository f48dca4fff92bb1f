"""`hubferry cache show`: one model, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubferry.cache.contents import StoredFile, contents
from hubferry.cache.words import standing_name
from hubferry.cli import output
from hubferry.cli.cache import selection, words
from hubferry.cli.command import Command
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.cache.listing import CachedModel
    from hubferry.cache.lookup import Place

_MOST_NAMES = 500
"""Models that one shares with and that are named; JSON names all."""


@click.command(
    "show",
    cls=Command,
    help=_(
        "Show what is known about the model NAME (or a part of its name, or a path): files, hashes, state, "
        "and which others store some of its bytes. A part of a name shows all that it fits."
    ),
    examples=(
        "hubferry cache show flux",
        "hubferry cache show ./some/folder",
        "hubferry cache show gpt2 --json",
    ),
)
@click.argument("name")
@selection.cache_dir()
@selection.as_json()
def show_command(name: str, cache_dir: Path | None, *, as_json: bool) -> None:
    """Run the command."""
    models = selection.models(name, cache_dir)
    sharing = [_sharing(model, cache_dir) for model in models]
    if as_json:
        rows = [_document(model, others) for model, others in zip(models, sharing, strict=True)]
        output.document({"models": rows})
        return
    for number, (model, others) in enumerate(zip(models, sharing, strict=True)):
        for line in (*([""] if number else []), *_lines(model, others)):
            output.data(line)


def _sharing(model: CachedModel, cache_dir: Path | None) -> list[Place]:
    if model.link_to is not None:
        return []
    from hubferry.cache.lookup import sharing

    return sharing(model, selection.roots(cache_dir))


def _lines(model: CachedModel, others: list[Place]) -> list[str]:
    takes = _("{size} on the disk, removing it frees {frees}")
    facts = [
        (_("model:"), _whose(model)),
        (_("path:"), str(model.path)),
        (_("state:"), words.state_word(model)),
        (_("size:"), takes.format(size=output.size(model.disk), frees=output.size(model.frees))),
        (_("last use:"), words.day(model.used)),
        (_("pinned:"), _("yes") if model.pinned else _("no")),
        (_("published:"), _(", ").join(model.published) or "-"),
    ]
    if model.link_to is not None:
        facts.insert(2, (_("link to:"), output.visible(model.link_to)))
    elif model.usage.shared:
        facts.insert(4, (_("shared:"), _shared(model, others)))
    rows = [[_("SIZE"), _("SHA256"), _("STATE"), _("FILE")], *map(_row, _contents(model))]
    problems = [f"{output.visible(one.path)}: {one.what}" for one in model.problems]
    return [
        *words.aligned(facts),
        "",
        *words.aligned(rows, right=(0,)),
        *([""] if problems else []),
        *problems,
    ]


def _shared(model: CachedModel, others: list[Place]) -> str:
    """Return how much of a model is stored once for it and others, and who those are."""
    from hubferry.cache.lookup import called_of

    titles = [output.visible(called_of(one).title) for one in others[:_MOST_NAMES]]
    more = len(others) - len(titles)
    if more:
        titles.append(ngettext("{count} more", "{count} more", more).format(count=more))
    size, names = output.size(model.usage.shared), _(", ").join(titles) or _("another cache")
    return _("{size} of it with {names}").format(size=size, names=names)


def _whose(model: CachedModel) -> str:
    if model.ref is None:
        return output.visible(model.name)
    revision = model.judged.revision
    return str(model.ref) + (_(" (kept for {revision})").format(revision=revision) if revision else "")


def _contents(model: CachedModel) -> list[StoredFile]:
    return contents(model.path.resolve() if model.link_to is not None else model.path)


def _row(file: StoredFile) -> list[str]:
    word = standing_name(file.standing)
    return [output.size(file.size), (file.sha256 or "-")[:16], word, output.visible(file.path)]


def _document(model: CachedModel, others: list[Place]) -> dict[str, object]:
    files = [
        {
            "path": file.path,
            "size": file.size,
            "sha256": file.sha256,
            "git_sha1": file.git_sha1,
            "state": file.standing.value,
            "links": file.links,
        }
        for file in _contents(model)
    ]
    return words.model_document(model, [one.name for one in others]) | {"listing": files}
