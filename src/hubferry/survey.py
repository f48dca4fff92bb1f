"""Everything that is asked before anything moves: both listings, the cache, the destination's storage."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import admission, cards, edited, entries, planning
from hubferry.cache.names import check_paths
from hubferry.commits import commit_of, short
from hubferry.errors import IntegrityError, NothingSelectedError, UsageError
from hubferry.events import Listener, Resolved
from hubferry.findings import refusals, together
from hubferry.i18n import _
from hubferry.model import Action, Blob, Limits, Plan, RepoFile, Revision, Step
from hubferry.results import Comparison, Verdict
from hubferry.stream.growing import Hashes
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from hubferry.cache.layers import Layer
    from hubferry.cache.names import Place
    from hubferry.cache.store import ModelDirectory
    from hubferry.errors import HubferryError
    from hubferry.findings import Finding
    from hubferry.hubs.ports import Destination, Source
    from hubferry.model import Digests, RepoRef
    from hubferry.options import Options

_READ_AT_ONCE = 16
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Survey:
    """Two listings, taken at one moment.

    Attributes:
        source: The pinned revision and the files that were selected.
        destination: The revision as it stands; without files when the repository is not there yet.
        adapted: Content that is published instead of the source's own, by path.
    """

    source: SourceSide
    destination: planning.Side
    adapted: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def published(self) -> planning.Side:
        """The source as it is going to be published: with what is adapted instead of its own."""
        files = [_adapted(file, self.adapted[file.path]) if file.path in self.adapted else file
                 for file in self.source.files]  # fmt: skip
        return planning.Side(self.source.revision, files)

    def held(self, found: Mapping[str, Digests]) -> dict[str, Digests]:
        """Return what need not be fetched: what the cache holds, and what is adapted here."""
        return dict(found) | {path: _digests(content) for path, content in self.adapted.items()}


def side_by_side(here: SourceSide, there: planning.Side) -> Survey:
    """Put two listings together, without what only tools keep in a destination folder for themselves."""
    if there.revision.ref.hub != "dir":
        return Survey(here, there)
    ours = {file.path for file in here.files}
    files = [file for file in there.files if file.path in ours or not _of_a_tool(file.path)]
    return Survey(here, replace(there, files=files))


def _of_a_tool(path: str) -> bool:
    parts = path.split("/")
    folders = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return entries.is_note(path, folder=False) or any(entries.is_note(one, folder=True) for one in folders)


@dataclass(frozen=True, slots=True)
class SourceSide(planning.Side):
    """The source: `files` are those that were selected, `listing` is everything that the revision has."""

    listing: Sequence[RepoFile] = ()


async def look_at_source(
    source: Source, ref: RepoRef, options: Options, listen: Listener, place: Place
) -> SourceSide:
    """Pin the source and list what was selected of it.

    `place` tells what names it can hold.

    Raises:
        NotFoundError: Nothing is there, or nothing matches the patterns.
        IntegrityError: A name cannot be a file's, or a file comes without any digest.
    """
    revision = await source.resolve(ref)
    listen(Resolved("source", revision))
    said = planning.concerned(revision.findings, options.include, options.exclude)
    revision = replace(revision, findings=said)
    listing = await source.files(revision)
    files = planning.select(listing, options.include, options.exclude)
    if not files:
        raise _nothing(ref, said)
    check_paths([file.path for file in files], place=place)
    for file in files:
        if file.size is None or not (file.sha256 or file.git_sha1):
            message = _("{path}: the source lists neither size nor digest, so nothing could prove a copy")
            raise IntegrityError(message.format(path=file.path), side="source", path=file.path)
    return SourceSide(revision, files, listing)


async def adapt(survey: Survey, source: Source, destination: Destination, options: Options) -> Survey:
    """Mend the model card where that was asked for and the destination reads cards."""
    if options.card == "exact" or not destination.limits.reads_cards:
        return survey
    mended = None
    card = next((file for file in survey.source.files if file.path == cards.NAME), None)
    if card is not None and (card.size or 0) <= cards.LARGEST:
        mended = cards.with_known_license(await source.whole(survey.source.revision, card))
    return survey if mended is None else replace(survey, adapted={cards.NAME: mended})


def _adapted(file: RepoFile, content: bytes) -> RepoFile:
    digests = _digests(content)
    return RepoFile(file.path, digests.size, digests.sha256, digests.git_sha1)


def _digests(content: bytes) -> Digests:
    hashes = Hashes(RepoFile("", len(content)), len(content))
    hashes.update(content)
    return hashes.digests()


def _nothing(ref: RepoRef, said: Sequence[Finding]) -> HubferryError:
    """Say why there is nothing to copy: refusals first, as they are what has to be mended."""
    if stopping := [one.error for one in refusals(said) if one.error is not None]:
        return together(stopping)
    hint = _("look at --include and --exclude, and at the repository's file list")
    if said:
        hint = _("; ").join(one.message for one in said[:_SHOWN])
    return NothingSelectedError(_("{ref}: no file to take").format(ref=ref), side="source", hint=hint)


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


def known(model: ModelDirectory | Layer | None, files: Sequence[RepoFile]) -> dict[str, Digests]:
    """Return what the cache holds verified, without reading any content."""
    if model is None:
        return {}
    found = ((file.path, model.known(file)) for file in files)
    return {path: digests for path, digests in found if digests is not None}


async def stored(destination: Destination, ref: RepoRef, plan: Plan) -> frozenset[str]:
    """Ask which blobs of `plan` the destination's storage has already.

    Before a pull request is there, who may only propose may not ask.
    """
    if plan.proposes and ref.revision in (None, "main"):
        return frozenset()
    blobs = {
        step.sha256: Blob(step.sha256, step.file.size or 0, step.file.path)
        for step in plan.of(Action.SEND, Action.FETCH_SEND)
        if step.sha256
    }
    if not blobs or not plan.destination.exists:
        return frozenset()
    return frozenset(blobs) - await destination.missing(ref, list(blobs.values()))


def draft(survey: Survey, destination: Destination, held: Mapping[str, Digests], options: Options) -> Plan:
    """Make the plan as far as it is known without asking for blobs."""
    return _make(survey, destination, planning.Knowledge(survey.held(held)), options)


async def decide(
    survey: Survey,
    destination: Destination,
    held: Mapping[str, Digests],
    options: Options,
    given: Callable[[Plan], Awaitable[frozenset[str]]] | None = None,
) -> Plan:
    """Make the plan that is to run: the draft, less what the destination's storage has already.

    `given` lets the hub put there what it can of the rest by itself, and says what that was.
    """
    first = draft(survey, destination, held, options)
    there = await stored(destination, survey.destination.revision.ref, first)
    plan = _made(survey, destination, held, there, options) if there else first
    more = frozenset[str]() if given is None else await given(plan)
    if not more:
        return plan
    made = _made(survey, destination, held, there | more, options)
    sizes = {step.sha256: step.file.size or 0 for step in made.steps if step.sha256 in more}
    return replace(made, duplicated=sum(sizes.values()))


def _made(
    survey: Survey,
    destination: Destination,
    held: Mapping[str, Digests],
    there: frozenset[str],
    options: Options,
) -> Plan:
    return _make(survey, destination, planning.Knowledge(survey.held(held), there), options)


async def examine(plan: Plan, source: Source, destination: Destination) -> Plan:
    """Add what the destination would refuse in the end; a plan that changes nothing is not asked about."""
    if plan.nothing_to_do:
        return plan
    card = await _card(plan, source) if destination.limits.reads_cards else None
    found = await destination.examine(replace(plan, card=card))
    return admission.without_refused(replace(plan, findings=(*plan.findings, *found)))


async def _card(plan: Plan, source: Source) -> bytes | None:
    """Return the model card that is going to be published, None where none changes."""
    if cards.NAME in plan.adapted:
        return plan.adapted[cards.NAME]
    changing = (step.file for step in plan.of(Action.INLINE) if step.file.path == cards.NAME)
    file = next((file for file in changing if (file.size or 0) <= cards.LARGEST), None)
    return None if file is None else await source.whole(plan.source, file)


def _make(survey: Survey, destination: Destination, knowledge: planning.Knowledge, options: Options) -> Plan:
    policy = planning.Policy(
        delete=options.delete,
        max_delete=options.max_delete,
        fill=options.whole_cache,
        include=options.include,
        exclude=options.exclude,
    )
    made = planning.make(survey.published, survey.destination, knowledge, destination.limits, policy)
    return admission.judged(replace(made, adapted=survey.adapted, proposes=options.create_pr), options)


def destination_ref(ref: RepoRef, source: RepoRef) -> RepoRef:
    """Give a destination without a name of its own the source's; it must name an owner."""
    if ref.hub != "dir" and "/" not in ref.repo_id:
        raise UsageError(
            _("{ref}: a destination needs an owner").format(ref=ref),
            side="destination",
            hint=f"{ref.prefix}:<owner>/{source.name}",
        )
    if "dir" in (ref.hub, source.hub):  # a folder is of neither kind
        return ref
    if ref.repo_type == "dataset" and source.repo_type == "model":
        message = _("{source} is no dataset, and {destination} says that it is one")
        hint = f"{ref.prefix}:{ref.repo_id}"
        raise UsageError(message.format(source=source, destination=ref), side="destination", hint=hint)
    return replace(ref, repo_type=source.repo_type)


async def settle(source: Source, side: planning.Side, undecided: Sequence[RepoFile]) -> dict[str, Digests]:
    """Hash small files of the source that share no digest with the destination, without keeping them."""
    places = asyncio.Semaphore(_READ_AT_ONCE)

    async def one(file: RepoFile) -> tuple[str, Digests]:
        hashes = Hashes(replace(file, sha256=None), file.size or 0)
        async with places, aclosing(source.read(side.revision, file, 0, file.size)) as pieces:
            async for piece in pieces:
                hashes.update(piece)
        return file.path, hashes.digests()

    return dict(await run_all(*(one(file) for file in undecided)))


def everything(side: planning.Side, held: Mapping[str, Digests] | None = None) -> Plan:
    """Plan a fetch: every file that is not held has to come; there is no destination."""
    have = held or {}
    steps = [
        Step(Action.SAME, file, cached=file.path in have, fill=True, sha256=file.sha256)
        for file in side.files
    ]
    nowhere = Revision(side.revision.ref, "", exists=False)
    return Plan(side.revision, nowhere, tuple(steps), Limits(1, 0, 0), side.revision.findings)


def undecided(comparisons: Sequence[Comparison]) -> list[RepoFile]:
    """Return the source's files of which the listings cannot say whether they are the same."""
    return [one.source for one in comparisons if one.verdict is Verdict.UNKNOWN and one.source is not None]


def with_refused(
    comparisons: Sequence[Comparison], said: Sequence[Finding], there: Sequence[RepoFile]
) -> tuple[Comparison, ...]:
    """Add the source's entries that could not be looked at: nothing says what they are the same as."""
    listed = {file.path: file for file in there}
    seen = {one.path for one in comparisons}
    paths = [one.path for one in refusals(said) if one.path is not None and one.path not in seen]
    unknown = [Comparison(path, Verdict.UNKNOWN, None, listed.get(path)) for path in paths]
    return tuple(sorted([*comparisons, *unknown], key=lambda one: one.path))


def pinned(revision: Revision) -> str:
    """Write a source and its commit as one word that others may read; of a folder its name alone."""
    ref = revision.ref
    if ref.hub == "dir":
        return Path(ref.repo_id).expanduser().resolve().name or "/"
    commit = commit_of(ref.hub, revision.commit)
    return str(ref if commit is None else replace(ref, revision=short(commit)))
