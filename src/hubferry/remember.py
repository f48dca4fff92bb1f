"""Answer from the cache alone, when no hub must be asked."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import inventory
from hubferry.cache.memory import listed
from hubferry.cache.names import named_revision
from hubferry.commits import commit_of
from hubferry.errors import IntegrityError, NotFoundError, UsageError
from hubferry.events import Note
from hubferry.i18n import _, ngettext
from hubferry.planning import select
from hubferry.results import Fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.cache.manifest import Manifest
    from hubferry.cache.store import ModelDirectory
    from hubferry.events import Listener
    from hubferry.model import RepoFile, RepoRef

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
"""What may be a commit, or the beginning of one."""
_NAMED = 5
"""Names in a sentence at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the cache is asked.

    Attributes:
        ref: The repository, and the revision by its name.
        models: Its directories, the likeliest first.
        include: Patterns of the files that are wanted; see `hubferry.planning.select`.
        exclude: Likewise.
    """

    ref: RepoRef
    models: Sequence[ModelDirectory]
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A directory of the cache that answers, and the files of its commit that were asked for."""

    model: ModelDirectory
    known: Manifest
    commit: str
    files: list[RepoFile]


def offline() -> bool:
    """Return whether HF_HUB_OFFLINE forbids to ask a hub, by the official client's reading of it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def refuse_copy(source: RepoRef, destination: RepoRef) -> None:
    """Refuse what would ask a hub; from folder to folder none is asked.

    Raises:
        UsageError: One of the two is on a hub.
    """
    hubs = [ref for ref in (source, destination) if ref.hub != "dir"]
    if not hubs:
        return
    fetch = shlex.join(["hubferry", "fetch", str(source), "--offline"])
    error = unasked(hubs[-1])
    if source.hub != "dir":
        error.hint = _("{command}, or {other}").format(command=fetch, other=error.hint)
    raise error


def unasked(ref: RepoRef) -> UsageError:
    """Return the error for a repository that only its hub knows."""
    hint = _("unset HF_HUB_OFFLINE") if offline() else _("the same command without --offline")
    return UsageError(
        _("{ref} would have to be asked, and no hub is asked offline").format(ref=ref), hint=hint
    )


def offer(question: Question) -> str | None:
    """Return the command that makes the cache answer where the hub did not, None where it cannot."""
    if _answer(question) is None:
        return None
    words = ["hubferry", "fetch", str(question.ref)]
    words += [word for pattern in question.include for word in ("--include", pattern)]
    words += [word for pattern in question.exclude for word in ("--exclude", pattern)]
    return shlex.join([*words, "--offline"])


def from_cache(question: Question, listen: Listener) -> Fetched:
    """Answer for the commit that was last brought in under that name, and say so.

    Raises:
        NotFoundError: The cache does not hold all that is asked for.
        IntegrityError: A file is no longer what was verified.
    """
    answer = _answer(question)
    if answer is None:
        raise NotFoundError(
            _("{ref} is not whole in the cache, and the hub is not asked").format(ref=question.ref),
            side="cache",
            hint=_("run the same command again with a network, without --offline and HF_HUB_OFFLINE"),
        )
    bad = next((file.path for file in answer.files if answer.model.lookup(file) is None), None)
    if bad is not None:
        message = _("{path}: the cached file is missing or has changed since it was verified")
        hint = _("with a network, the same command fetches it again")
        raise IntegrityError(message.format(path=bad), side="cache", path=bad, hint=hint)
    note = _("the cache answers for commit {commit}; the hub was not asked")
    if commit_of(question.ref.hub, answer.commit) is None:
        note = _("the cache answers with what was last listed; the hub was not asked")
    listen(Note(note.format(commit=answer.commit)))
    size = sum(file.size or 0 for file in answer.files)
    return Fetched(
        answer.model.path,
        answer.commit,
        len(answer.files),
        size,
        0,
        asked=False,
        whole=answer.known.is_whole,
        arrived=answer.known.arrived or None,
    )


def recall(question: Question) -> Answer:
    """Return what the cache knows of a revision, whether or not all of it is here.

    Raises:
        NotFoundError: Nothing of it.
    """
    for model in question.models:
        known = model.manifest
        if known is not None and known.commit is not None and _is_meant(known, known.commit, question.ref):
            files = select(listed(known), question.include, question.exclude)
            return Answer(model, known, known.commit, files)
    raise NotFoundError(
        _("the cache has nothing of {ref}, and the hub is not asked").format(ref=question.ref),
        side="cache",
        hint="hubferry cache list",
    )


def name_strangers(model: ModelDirectory, listen: Listener) -> None:
    """Say which files of a directory are not of its commit: they were put there, and stay."""
    known = model.manifest
    if known is None:
        return
    with model.disk_errors():
        there = inventory.take(model.path).files
    strange = sorted(path for path in there if path not in known.files or not known.files[path].here)
    if not strange:
        return
    names = _(", ").join(strange[:_NAMED]) + (" …" if len(strange) > _NAMED else "")
    message = ngettext(
        "{count} file in {path} is not of this commit, and stays: {names}",
        "{count} files in {path} are not of this commit, and stay: {names}",
        len(strange),
    )
    listen(Note(message.format(count=len(strange), path=model.path, names=names)))


def _answer(question: Question) -> Answer | None:
    """Return the first directory that is of that revision and has all that is asked for."""
    for model in question.models:
        known = model.manifest
        if known is None or known.commit is None or not _is_meant(known, known.commit, question.ref):
            continue
        files = select(listed(known), question.include, question.exclude)
        if files and _has(known, files, everything=not (question.include or question.exclude)):
            return Answer(model, known, known.commit, files)
    return None


def _is_meant(known: Manifest, commit: str, ref: RepoRef) -> bool:
    revision = named_revision(ref)
    by_commit = revision is not None and _COMMIT.fullmatch(revision) and commit.startswith(revision)
    return known.revision == revision or bool(by_commit)


def _has(known: Manifest, files: Sequence[RepoFile], *, everything: bool) -> bool:
    """Return whether these files, selected from the commit's known listing, are all of them, and here."""
    if everything or known.listing == "none":
        return known.is_whole
    return all(known.files[file.path].here for file in files)
