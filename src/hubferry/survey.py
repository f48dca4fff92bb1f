"""Everything that is asked before anything moves: both listings, the cache, the destination's storage."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry import admission, edited
from hubferry import plan as planning
from hubferry.cache.names import check_paths
from hubferry.errors import IntegrityError, NotFoundError, UsageError
from hubferry.events import Listener, Resolved
from hubferry.i18n import _
from hubferry.model import Action, Blob, Limits, Plan, Revision, Step, Verdict
from hubferry.stream.growing import Hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hubferry.cache.store import ModelDirectory
    from hubferry.hubs.ports import Destination, Source
    from hubferry.model import Comparison, Digests, RepoFile, RepoRef
    from hubferry.options import Options

_READ_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Survey:
    """Two listings, taken at one moment.

    Attributes:
        source: The pinned revision and the files that were selected.
        destination: The revision as it stands; without files when the repository is not there yet.
    """

    source: planning.Side
    destination: planning.Side


async def look_at_source(
    source: Source, ref: RepoRef, options: Options, listen: Listener, tells_case_apart: Callable[[], bool]
) -> planning.Side:
    """Pin the source and list what was selected of it.

    `tells_case_apart` is asked only when two names differ in case alone: whether the disk keeps both.

    Raises:
        NotFoundError: Nothing is there, or nothing matches the patterns.
        IntegrityError: A name cannot be a file's, or a file comes without any digest.
    """
    revision = await source.resolve(ref)
    listen(Resolved("source", revision))
    files = planning.select(await source.files(revision), options.include, options.exclude)
    if not files:
        raise NotFoundError(
            _("{ref}: no file to take").format(ref=ref),
            side="source",
            hint=_("look at --include and --exclude, and at the repository's file list"),
        )
    check_paths([file.path for file in files], tells_case_apart=tells_case_apart)
    for file in files:
        if file.size is None or not (file.sha256 or file.git_sha1):
            message = _("{path}: the source lists neither size nor digest, so nothing could prove a copy")
            raise IntegrityError(message.format(path=file.path), side="source", path=file.path)
    return planning.Side(revision, files)


async def look_at_destination(destination: Destination, ref: RepoRef, listen: Listener) -> planning.Side:
    """List the destination as it stands."""
    revision = await destination.resolve(ref)
    listen(Resolved("destination", revision))
    return planning.Side(revision, await destination.files(revision) if revision.exists else [])


async def settle_edited(source: Source, destination: Destination, seen: Survey, listen: Listener) -> Survey:
    """Let a file that the destination's hub has only added lines to count as the same; see `edited`."""
    here, there = seen.source, seen.destination
    sides = edited.Sides(
        destination,
        there.revision,
        {file.path: file for file in here.files},
        {},
        lambda file: source.whole(here.revision, file),
    )
    settled = await edited.settle(sides, there.files, listen)
    return replace(seen, destination=replace(there, files=settled))


def known(model: ModelDirectory | None, files: Sequence[RepoFile]) -> dict[str, Digests]:
    """Return what the cache holds verified, without reading any content."""
    if model is None:
        return {}
    found = ((file.path, model.known(file)) for file in files)
    return {path: digests for path, digests in found if digests is not None}


async def stored(destination: Destination, ref: RepoRef, plan: Plan) -> frozenset[str]:
    """Ask which blobs of `plan` the destination's storage has already."""
    blobs = {
        step.sha256: Blob(step.sha256, step.file.size or 0)
        for step in plan.of(Action.SEND, Action.FETCH_SEND)
        if step.sha256
    }
    if not blobs or not plan.destination.exists:
        return frozenset()
    return frozenset(blobs) - await destination.missing(ref, list(blobs.values()))


def draft(survey: Survey, destination: Destination, held: Mapping[str, Digests], options: Options) -> Plan:
    """Make the plan as far as it is known without asking for blobs."""
    return _make(survey, destination, planning.Knowledge(held), options)


async def decide(
    survey: Survey, destination: Destination, held: Mapping[str, Digests], options: Options
) -> Plan:
    """Make the plan that is to run: the draft, less what the destination's storage has already."""
    first = draft(survey, destination, held, options)
    there = await stored(destination, survey.destination.revision.ref, first)
    return _make(survey, destination, planning.Knowledge(held, there), options) if there else first


async def examine(plan: Plan, destination: Destination) -> Plan:
    """Add what the destination would refuse in the end; a plan that changes nothing is not asked about."""
    if plan.nothing_to_do:
        return plan
    found = await destination.examine(plan)
    return admission.without_refused(replace(plan, findings=(*plan.findings, *found)))


def _make(survey: Survey, destination: Destination, knowledge: planning.Knowledge, options: Options) -> Plan:
    policy = planning.Policy(
        delete=options.delete,
        max_delete=options.max_delete,
        fill=options.whole_cache,
        include=options.include,
        exclude=options.exclude,
    )
    made = planning.make(survey.source, survey.destination, knowledge, destination.limits, policy)
    return admission.judged(made, options)


def destination_ref(ref: RepoRef, source: RepoRef) -> RepoRef:
    """Give a destination without a name of its own the source's; it must name an owner."""
    if ref.hub != "dir" and "/" not in ref.repo_id:
        raise UsageError(
            _("{ref}: a destination needs an owner").format(ref=ref),
            side="destination",
            hint=f"{ref.hub}:<owner>/{source.name}",
        )
    return replace(ref, repo_type=source.repo_type) if ref.hub != "dir" else ref


async def settle(source: Source, side: planning.Side, undecided: Sequence[RepoFile]) -> dict[str, Digests]:
    """Hash small files of the source that share no digest with the destination, without keeping them."""
    places = asyncio.Semaphore(_READ_AT_ONCE)

    async def one(file: RepoFile) -> tuple[str, Digests]:
        hashes = Hashes(replace(file, sha256=None), file.size or 0)
        async with places, aclosing(source.read(side.revision, file, 0, file.size)) as pieces:
            async for piece in pieces:
                hashes.update(piece)
        return file.path, hashes.digests()

    return dict(await asyncio.gather(*(one(file) for file in undecided)))


def everything(side: planning.Side, held: Mapping[str, Digests] | None = None) -> Plan:
    """Plan a fetch: every file that is not held has to come; there is no destination."""
    have = held or {}
    steps = [
        Step(Action.SAME, file, cached=file.path in have, fill=True, sha256=file.sha256)
        for file in side.files
    ]
    nowhere = Revision(side.revision.ref, "", exists=False)
    return Plan(side.revision, nowhere, tuple(steps), Limits(1, 0, 0))


def undecided(comparisons: Sequence[Comparison]) -> list[RepoFile]:
    """Return the source's files of which the listings cannot say whether they are the same."""
    return [one.source for one in comparisons if one.verdict is Verdict.UNKNOWN and one.source is not None]


def pinned(revision: Revision) -> str:
    """Write a source and its commit as one word, for messages."""
    return f"{revision.ref.hub}:{revision.ref.repo_id}@{revision.commit[:12]}"
