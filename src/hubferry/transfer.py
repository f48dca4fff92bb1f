"""The story of a copy: resolve, plan, fetch, verify, upload, commit, look again."""

from __future__ import annotations

import glob
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from hubferry import admission, overlap, planning, publish, remember, survey
from hubferry.cached import CacheHoldings
from hubferry.compare import compare
from hubferry.errors import AccessError, NetworkError, PartialError, UsageError
from hubferry.events import Edited, Finished, Note, Planned
from hubferry.findings import refusals
from hubferry.holdings import FolderHoldings
from hubferry.i18n import _, ngettext
from hubferry.model import Action, Blob, NewRepository
from hubferry.move import Moved, give_up_together
from hubferry.results import Fetched, Report, Verdict
from hubferry.session import Session
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hubferry.errors import HubferryError
    from hubferry.events import Event, Listener
    from hubferry.model import Digests, Plan, RepoFile, Step
    from hubferry.options import Options
    from hubferry.results import Comparison
    from hubferry.survey import SourceSide, Survey

Agree: TypeAlias = "Callable[[Plan], None]"
_SHOWN = (admission.EXPOSED, admission.VISIBILITY)
_FITTING = (Verdict.SAME, Verdict.ONLY_DESTINATION)
_CHANGES = (Action.INLINE, Action.REUSE, Action.SEND, Action.FETCH_SEND, Action.DELETE)


def _agree(_plan: Plan) -> None:
    """Take any plan."""


async def copy(
    source: str, destination: str, options: Options, listen: Listener, agree: Agree = _agree
) -> Report:
    """Copy one repository; return when the destination's own listing shows every file.

    `agree` raises for a plan that is not to be carried out, before anything is changed.
    """
    report = await begin(source, destination, options, listen, math.inf, agree)
    assert isinstance(report, Report)  # noqa: S101 - nothing is as large as that
    return report


async def begin(
    source: str, destination: str, options: Options, listen: Listener, least: float, agree: Agree = _agree
) -> Report | tuple[Blob, ...]:
    """Copy one repository, unless it has `least` bytes of blobs to send: then prepare it, and name those.

    Prepared is what was looked at, is admitted, and has a repository at the destination; no byte was moved.
    Whoever lets others send the blobs, each with `send_share`, calls `copy` in the end.
    """
    started = time.monotonic()
    edits = _Edits(listen)
    run = Session(source, destination, options, edits.hear)
    overlap.refuse_overlap(run.source_ref, run.destination_ref)
    async with run as session:
        here = session.holdings
        seen = await _guarded(session, options)
        known = here.known(seen.source.files)
        plan = survey.draft(seen, session.destination, known, options)
        if plan.nothing_to_do:
            agree(plan)
            listen(Planned(plan))
            admission.refuse(plan, options)
            if not refusals(plan.findings):
                here.note_same(plan)
            overlap.sweep(session.destination_ref)
            return _finish(session, plan, started, Moved(dict(known)), edited=edits.paths)
        examined = await survey.examine(plan, session.source, session.destination)
        admission.refuse(examined, options)
        agree(examined)
        async with session.open(plan) as here:
            held = await here.hold(seen.source.files, plan)
            if not seen.destination.revision.exists:
                here.check_space(survey.draft(seen, session.destination, held, options), session.slots)
                seen = await _create(session, seen, plan)
                options = admission.created(plan, options)
            made = await survey.decide(seen, session.destination, held, options, session.given)
            plan = here.resumed(made)
            here.check_space(plan, session.slots)
            admission.refuse(plan, options, _SHOWN)  # a hub may have created it otherwise than it was told
            plan = admission.admitted(plan, examined)
            blobs = _blobs(plan)
            if sum(blob.size for blob in blobs) >= least:
                return blobs
            listen(Planned(plan))
            moved = await session.move(plan, seen.held(held))
            _refuse_failures(plan, moved, options)
            give_up_together(plan, moved)
            here.record()
            commits = await _publish(session, seen, plan, moved)
            if not moved.failures and not refusals(plan.findings):
                here.mark_published(plan, commits[-1] if commits else plan.destination.commit)
        return _finish(session, plan, started, moved, commits, edits.paths)


def _blobs(plan: Plan) -> tuple[Blob, ...]:
    """Return what a plan sends whose digest is known, each content once."""
    steps = plan.of(Action.SEND, Action.FETCH_SEND)
    found = {
        step.sha256: Blob(step.sha256, step.file.size or 0, step.file.path) for step in steps if step.sha256
    }
    return tuple(found.values())


async def send_share(
    source: str, destination: str, options: Options, share: Sequence[Blob], listen: Listener
) -> Moved:
    """Bring some blobs of a repository into the destination's storage, and commit nothing.

    What the source has no more, or the destination has already, is left out: `copy` has the last word.

    Raises:
        HubferryError: Something that concerns all of them. What concerns one file is in `failures`.
    """
    paths = tuple(glob.escape(blob.path) for blob in share)
    options = replace(options, include=paths, exclude=(), delete=False, card="exact")
    wanted = {blob.sha256 for blob in share}
    async with Session(source, destination, options, listen) as session:
        here = session.holdings
        seen = await _look(session, options)
        first = survey.draft(seen, session.destination, here.known(seen.source.files), options)
        if first.nothing_to_do or not first.destination.exists:
            return Moved({})
        async with session.open(first) as here:
            held = await here.hold(seen.source.files, first)
            plan = here.resumed(await survey.decide(seen, session.destination, held, options))
            steps = plan.of(Action.SEND, Action.FETCH_SEND)
            plan = replace(plan, steps=tuple(step for step in steps if step.sha256 in wanted))
            listen(Planned(plan))
            here.check_space(plan, session.slots)
            moved = await session.move(plan, seen.held(held))
            here.record()
            return moved


async def plan(source: str, destination: str, options: Options, listen: Listener) -> Plan:
    """Make the plan that `copy` would carry out, and write nothing but what a folder's files hash to."""
    run = Session(source, destination, options, listen)
    overlap.refuse_overlap(run.source_ref, run.destination_ref)
    async with run as session:
        seen = await _guarded(session, options)
        held = session.holdings.known(seen.source.files)
        held |= session.holdings.adoptable([file for file in seen.source.files if file.path not in held])
        made = await survey.decide(seen, session.destination, held, options)
        made = await survey.examine(session.holdings.resumed(made), session.source, session.destination)
        listen(Planned(made))
        return made


async def fetch(source: str, options: Options, listen: Listener) -> Fetched:
    """Bring a repository into the cache: every file there, every hash right."""
    fetched, _side = await bring(source, options, listen)
    return fetched


async def plan_fetch(source: str, options: Options, listen: Listener) -> Plan:
    """Make the plan that `fetch` would carry out, and write nothing; its destination is the cache."""
    async with Session(source, None, options, listen) as session:
        side = await session.signed(await session.guard(await session.look_at_source()))
        held = session.holdings.known(side.files)
        held |= session.holdings.adoptable([file for file in side.files if file.path not in held])
        made = session.holdings.resumed(survey.everything(side, held))
        listen(Planned(made))
        return made


async def bring(source: str, options: Options, listen: Listener) -> tuple[Fetched, SourceSide | None]:
    """Do the same, and say what the source lists, and what was selected; None where no hub was asked."""
    async with Session(source, None, options, listen) as session:
        here = session.holdings
        assert isinstance(here, CacheHoldings)  # noqa: S101 - there is no destination
        if session.offline:
            _refuse_unverified(options)
            return remember.from_cache(here.answering, listen), None
        try:
            side = await session.look_at_source()
        except NetworkError as error:
            error.hint = remember.offer(here.answering) or error.hint
            raise
        side = await session.signed(await session.guard(side))
        plan = survey.everything(side)
        admission.refuse(plan, options)
        async with session.open(plan) as place:
            assert not isinstance(place, FolderHoldings)  # noqa: S101 - as above
            held = await place.hold(side.files, plan)
            plan = place.resumed(survey.everything(side, held))
            listen(Planned(plan))
            place.check_space(plan, session.slots)
            moved = await session.move(plan, held)
            _refuse_failures(plan, moved, options)
            place.record()
            place.name_strangers(listen)
            return replace(place.fetched(side, moved.fetched), signed=side.revision.signed), side


def _refuse_unverified(options: Options) -> None:
    if options.verify_signature is not None:
        message = _("--verify-signature asks the source for all of its files, which cannot be done offline")
        raise UsageError(message)


async def check(source: str, destination: str, options: Options, listen: Listener) -> tuple[Comparison, ...]:
    """Compare two repositories by digest; small files without a common digest are read and hashed."""
    async with Session(source, destination, options, listen) as session:
        seen = await _look(session, options)
        here = await session.signed(seen.source) if options.verify_signature else seen.source
        there = planning.comparable(here, seen.destination.files, options.include, options.exclude)
        known = session.holdings.known(here.files)
        found = compare(here.files, there, known)
        known |= await survey.settle(session.source, here, survey.undecided(found))
        said = here.revision.findings
        for finding in said:
            listen(Note(finding.sentence))
        return survey.with_refused(compare(here.files, there, known), said, seen.destination.files)


async def shows(source: str, destination: str, options: Options, listen: Listener) -> bool:
    """Return whether the destination has every selected file as it would be published; it may have others.

    As `check`, but nothing is read where the listings alone say that it has not.
    """
    async with Session(source, destination, options, listen) as session:
        seen = await _look(session, options)
        here, there = seen.published.files, seen.destination.files
        known = session.holdings.known(here)
        found = compare(here, there, known)
        if any(one.verdict in (Verdict.DIFFERS, Verdict.ONLY_SOURCE) for one in found):
            return False
        known |= await survey.settle(session.source, seen.source, survey.undecided(found))
        return all(one.verdict in _FITTING for one in compare(here, there, known))


async def _look(session: Session, options: Options) -> Survey:
    here, there = await run_all(
        session.look_at_source(),
        survey.look_at_destination(session.destination, session.destination_ref, session.listen),
    )
    seen = survey.side_by_side(here, there)
    seen = await survey.adapt(seen, session.source, session.destination, options)
    return await survey.settle_edited(session.source, session.destination, seen, session.listen)


async def _guarded(session: Session, options: Options) -> Survey:
    """Look at both sides, and again at what the source lists as weights that cannot be."""
    seen = await _look(session, options)
    seen = replace(seen, source=await session.guard(seen.source))
    return replace(seen, source=await session.signed(seen.source, seen.adapted))


def _refused_entries(plan: Plan) -> dict[str, HubferryError]:
    """Return the entries that may not be copied; without `keep_going` the plan was refused for them."""
    found = refusals(plan.findings)
    return {one.path: one.error for one in found if one.path is not None and one.error is not None}


async def _create(session: Session, seen: Survey, plan: Plan) -> Survey:
    """Create the destination; a new one may come with files of its own, so it is listed again."""
    await session.destination.ensure(session.destination_ref, plan.new or NewRepository())
    there = await survey.look_at_destination(session.destination, session.destination_ref, session.listen)
    seen = replace(seen, destination=survey.side_by_side(seen.source, there).destination)
    return await survey.settle_edited(session.source, session.destination, seen, session.listen)


def _refuse_failures(plan: Plan, moved: Moved, options: Options) -> None:
    """Publish nothing when a file failed, unless the good ones are wanted all the same."""
    if not moved.failures or (options.keep_going and not _all_refused(plan, moved)):
        return
    if len(moved.failures) == 1 or options.keep_going:
        raise next(iter(moved.failures.values()))
    raise _partial(moved.failures)


def _all_refused(plan: Plan, moved: Moved) -> bool:
    """Return whether nothing at all could be had: that is about a login, or a hub, and not about files."""
    shared = (Action.DELETE, Action.REUSE)
    steps = [step for step in plan.steps if step.file.size and step.action not in shared]
    errors = moved.failures.values()
    return all(step.file.path in moved.failures for step in steps) and all(
        isinstance(error, (AccessError, NetworkError)) for error in errors
    )


def _partial(failures: Mapping[str, HubferryError]) -> PartialError:
    message = ngettext("{count} file failed", "{count} files failed", len(failures))
    ordered = tuple(failures[path] for path in sorted(failures))
    return PartialError(message.format(count=len(ordered)), ordered)


async def _publish(session: Session, seen: Survey, plan: Plan, moved: Moved) -> tuple[str, ...]:
    """Commit what changed, then hold the destination's listing against the source's."""
    good = [step for step in plan.steps if step.file.path not in moved.failures]
    if moved.failures or refusals(plan.findings):  # a run that failed in part deletes nothing
        good = [step for step in good if step.action is not Action.DELETE]
    listed = {file.path: file for file in seen.destination.files}
    changes = [step for step in good if _changes(step, listed.get(step.file.path), moved.digests)]

    def content(step: Step) -> bytes:
        known = moved.contents.get(step.file.path)
        return session.content(plan, step) if known is None else known

    async def whole(file: RepoFile) -> bytes:
        known = moved.contents.get(file.path)
        return await session.source.whole(seen.source.revision, file) if known is None else known

    ref, listen = plan.destination.ref, session.listen
    work = publish.Publication(session.destination, ref, plan, moved.digests, content, whole)
    done = await publish.publish(work, changes, session.message(plan), listen)
    if changes:
        gone = [
            step for step in changes if step.action is Action.DELETE and step.file.path not in done.spared
        ]
        there = [step for step in good if step.action is not Action.DELETE]
        await publish.prove(work, there, gone, listen)
    return done.commits


def _changes(step: Step, listed: RepoFile | None, digests: dict[str, Digests]) -> bool:
    """Return whether a step belongs into the commit, now that every digest is known."""
    if step.action not in _CHANGES:
        return False
    ours = digests.get(step.file.path)
    return step.action is Action.DELETE or listed is None or ours is None or not ours.fit(listed)


class _Edits:
    """Pass events on, and keep which files the destination's hub has edited by itself."""

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self._found: set[str] = set()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(self._found))

    def hear(self, event: Event) -> None:
        if isinstance(event, Edited):
            self._found.add(event.path)
        self._listen(event)


def _finish(
    session: Session,
    plan: Plan,
    started: float,
    moved: Moved,
    commits: tuple[str, ...] = (),
    edited: tuple[str, ...] = (),
) -> Report:
    failures = moved.failures | _refused_entries(plan)
    good = [
        step for step in plan.steps if step.action is not Action.DELETE and step.file.path not in failures
    ]
    report = Report(
        plan=plan,
        commits=commits,
        fetched=moved.fetched,
        sent=moved.sent,
        reused=sum(step.file.size or 0 for step in plan.of(Action.REUSE)),
        verified=not failures,
        seconds=time.monotonic() - started,
        files=len(good),
        size=sum(step.file.size or 0 for step in good),
        digests=moved.digests,
        edited=edited,
    )
    session.listen(Finished(report))
    if failures:
        raise _partial(failures)
    return report
