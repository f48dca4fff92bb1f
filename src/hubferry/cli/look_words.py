"""Say in words, in columns and as JSON what a look at a hub brought up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.events import Note, Retrying
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.cache.listing import CachedModel
    from hubferry.catalog import Owned, Repository
    from hubferry.cli.progress import Style
    from hubferry.events import Event, Listener
    from hubferry.look import Known, Listed
    from hubferry.model import RepoFile

SCHEMA = 1


def listener(*, quiet: bool, style: Style = "auto") -> Listener:
    """Return a listener that says notes and what is waited for; a look has no progress to draw."""
    if style == "json":
        from hubferry.cli.progress_json import JsonLines

        return JsonLines().hear

    def hear(event: Event) -> None:
        if quiet:
            return
        if isinstance(event, Note):
            output.talk(event.message)
        elif isinstance(event, Retrying):
            message = _("{what}: {reason}; asking again in {time}")
            words = {"what": event.what, "reason": event.reason, "time": output.duration(event.seconds)}
            output.talk(message.format(**words))

    return hear


def visibility(one: Repository) -> str:
    """Return who may read a repository, as far as its hub says."""
    if one.private is None:
        return "-"
    if one.private:
        return _("private")
    return _("gated") if one.gated else _("public")


def pinned(one: Repository) -> str:
    """Return a repository with its commit, where its hub names one."""
    commit = commit_of(one)
    return str(one.ref) if commit is None else f"{one.ref} @ {commit[:12]}"


def commit_of(one: Repository) -> str | None:
    """Return the commit; None where there is none: a folder, and ModelScope, which names no head commit."""
    return one.revision.commit if one.revision is not None and one.ref.hub == "hf" else None


def listed_sum(listed: Listed, files: Sequence[RepoFile]) -> str:
    """Return what a list of files comes to, in a line."""
    sentence = ngettext("{ref}: {count} file, {size}", "{ref}: {count} files, {size}", len(files))
    size = output.size(sum(file.size or 0 for file in files))
    line = sentence.format(ref=pinned(listed.repository), count=len(files), size=size)
    return line if listed.asked else line + _(" (offline: the hub was not asked)")


def owned_sum(owned: Owned) -> str:
    """Return what a list of repositories comes to, in a line."""
    count = len(owned.repositories)
    if owned.complete:
        sentence = ngettext("{owner}: {count} repository", "{owner}: {count} repositories", count)
        return sentence.format(owner=owned.owner, count=count)
    sentence = _("{owner}: {count} of {total} repositories; the hub lists no more of them")
    return sentence.format(owner=owned.owner, count=count, total=owned.total)


def owned_document(owned: Owned) -> dict[str, object]:
    """Return an owner's repositories as JSON takes them."""
    return {
        "schema": SCHEMA,
        "hub": owned.owner.hub,
        "owner": owned.owner.repo_id,
        "type": owned.owner.repo_type,
        "complete": owned.complete,
        "total": owned.total,
        "repositories": [described(one) for one in owned.repositories],
    }


def described(one: Repository) -> dict[str, object]:
    """Return what a hub says about a repository as JSON takes it."""
    return {
        "hub": one.ref.hub,
        "repository": one.ref.repo_id,
        "type": one.ref.repo_type,
        "private": one.private,
        "gated": one.gated,
        "license": one.license,
        "changed": None if one.changed is None else output.iso_time(one.changed),
        "created": None if one.created is None else output.iso_time(one.created),
        "tags": list(one.tags),
        "pipeline": one.pipeline,
    }


def listed_document(listed: Listed, files: Sequence[RepoFile]) -> dict[str, object]:
    """Return a list of files as JSON takes it."""
    return {
        "schema": SCHEMA,
        "hub": listed.repository.ref.hub,
        "repository": listed.repository.ref.repo_id,
        "type": listed.repository.ref.repo_type,
        "revision": listed.repository.ref.revision,
        "commit": commit_of(listed.repository),
        "hub_asked": listed.asked,
        "size": sum(file.size or 0 for file in files),
        "files": [
            {
                "path": file.path,
                "size": file.size,
                "sha256": file.sha256,
                "git_sha1": file.git_sha1,
                "lfs": file.lfs,
                "cached": file.path in listed.cached,
            }
            for file in files
        ],
    }


def known_document(known: Known) -> dict[str, object]:
    """Return everything that is known about a repository as JSON takes it."""
    listed = known.listed
    accepted = known.terms is None if listed.repository.gated and listed.asked else None
    return {
        "schema": SCHEMA,
        **described(listed.repository),
        "revision": listed.repository.ref.revision,
        "commit": commit_of(listed.repository),
        "hub_asked": listed.asked,
        "terms_accepted": accepted,
        "files": len(listed.files),
        "size": listed.size,
        "cached_files": len(listed.cached),
        "cached": [_cached_document(model) for model in known.cached],
    }


def _cached_document(model: CachedModel) -> dict[str, object]:
    return {
        "path": str(model.path),
        "revision": model.judged.revision,
        "commit": model.commit,
        "state": model.state.value,
        "files": model.files,
        "size": model.size,
        "used": output.iso_time(model.used),
    }
