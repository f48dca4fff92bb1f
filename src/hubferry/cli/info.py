"""`hubferry info`: everything that is known about a repository, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import look_words, options, output
from hubferry.cli.cache.words import aligned, day, state_word
from hubferry.cli.command import Command
from hubferry.i18n import _, ngettext
from hubferry.places import from_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cache.listing import CachedModel
    from hubferry.look import Known

_MOST_TAGS = 12


@click.command(
    cls=Command,
    help=_(
        "Say what is known about SOURCE: commit, size, who may read it, licence, terms, last change, tags, "
        "and what of it is in the cache."
    ),
    examples=(
        "hubferry info hf:org/name",
        "hubferry info ms:org/name@v1.0 --json",
        "hubferry info hf:org/name --offline",
    ),
)
@click.argument("source")
@options.selection()
@options.offline()
@options.place()
@options.one_access()
@options.talking()
def info(source: str, **words: Any) -> None:
    """Run the command."""
    from hubferry import api

    pinned = options.source_words(source, words)
    asked = options.build(**words)
    known = api.info(pinned, asked, look_words.listener(quiet=words["quiet"], style=words["progress"]))
    if words["as_json"]:
        output.document(look_words.known_document(known))
        return
    for line in aligned(list(_rows(known))):
        output.data(line)


def _rows(known: Known) -> Iterator[tuple[str, str]]:
    listed, one = known.listed, known.listed.repository
    yield _("repository"), str(one.ref)
    yield _("commit"), _commit(known)
    count = len(listed.files)
    files = ngettext("{count} file, {size}", "{count} files, {size}", count)
    yield _("files"), files.format(count=count, size=output.size(listed.size))
    if not listed.asked:
        yield _("hub"), _("not asked (offline)")
    elif one.ref.hub != "dir":
        yield _("visibility"), look_words.visibility(one)
        if one.gated:
            yield _("terms"), _("accepted") if known.terms is None else known.terms.message
        yield _("licence"), one.license or "-"
    if one.changed is not None:
        yield _("last change"), day(one.changed)
    if one.pipeline:
        yield _("task"), output.visible(one.pipeline)
    if one.tags:
        yield _("tags"), _tags(one.tags)
    if one.ref.hub != "dir":
        yield from _cached(known)


def _commit(known: Known) -> str:
    one = known.listed.repository
    commit = look_words.commit_of(one)
    if commit is not None:
        return commit
    return _("none: a folder has no commits") if one.ref.hub == "dir" else _("ModelScope names none")


def _tags(tags: tuple[str, ...]) -> str:
    more = len(tags) - _MOST_TAGS
    shown = ", ".join(output.visible(tag) for tag in tags[:_MOST_TAGS])
    return shown if more <= 0 else f"{shown}, … (+{more})"


def _cached(known: Known) -> Iterator[tuple[str, str]]:
    """Say which of these files are here, and which directories the cache has of the repository."""
    here, all_of_them = len(known.listed.cached), len(known.listed.files)
    if not known.cached and not here:
        yield _("cached"), _("nothing")
        return
    whole = _("all of these files") if here == all_of_them else _("{count} of {total} files")
    yield _("cached"), whole.format(count=here, total=all_of_them)
    for model in known.cached:
        yield "", _directory(model)


def _directory(model: CachedModel) -> str:
    sentence = _("{path}: commit {commit}, {state}, {size}")
    return sentence.format(
        path=from_home(model.path),
        commit=(model.commit or "?")[:12],
        state=state_word(model),
        size=output.size(model.size),
    )
