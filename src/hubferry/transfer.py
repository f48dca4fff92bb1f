"""The story of a copy: resolve, plan, fetch, verify, upload, commit, look again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry import admission, publish, remember, survey
from hubferry.compare import compare
from hubferry.errors import NetworkError, PartialError
from hubferry.events import Finished, Planned
from hubferry.findings import refusals
from hubferry.i18n import ngettext
from hubferry.model import Action, Fetched, NewRepository, Report
from hubferry.move import give_up_together, move
from hubferry.session import Session
from hubferry.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.errors import HubferryError
    from hubferry.events import Listener
    from hubferry.model import Comparison, Digests, Plan, RepoFile, Step
    from hubferry.move import Moved
    from hubferry.options import Options

_CHANGES = (Action.INLINE, Action.REUSE, Action.SEND, Action.FETCH_SEND, Action.DELETE)


async def copy(source: str, destination: str, options: Options, listen: Listener) -> Report:
    """Copy one repository; return when the destination's own listing shows every file."""
    started = time.monotonic()
    async with Session(source, destination, options, listen) as session:
        seen = await _look(session)
        plan = survey.draft(seen, session.destination, session.known(seen.source.files), options)
        if plan.nothing_to_do:
            listen(Planned(plan))
            admission.refuse(plan, options)
            session.note_same(plan)
            return _finish(session, plan, started)
        examined = await survey.examine(plan, session.destination)
        admission.refuse(examined, options)
        async with session.model():
            seen = await _create_if_absent(session, seen, plan)
            held = await session.hold(seen.source.files, plan)
            plan = await survey.decide(seen, session.destination, held, options)
            plan = admission.without_refused(replace(plan, new=examined.new, findings=examined.findings))
            listen(Planned(plan))
            session.check_space(plan)
            moved = await move(plan, held, session.tools())
            _refuse_failures(moved, options)
            give_up_together(plan, moved)
            session.record(seen.source, moved.digests)
            commits = await _publish(session, seen, plan, moved)
            if not moved.failures and not refusals(plan.findings):
                session.mark_published(plan, commits[-1] if commits else plan.destination.commit)
        return _finish(session, plan, started, moved, commits)


async def plan(source: str, destination: str, options: Options, listen: Listener) -> Plan:
    """Make the plan that `copy` would carry out, and write nothing."""
    async with Session(source, destination, options, listen) as session:
        seen = await _look(session)
        held = session.known(seen.source.files) | session.adoptable(seen.source.files)
        made = await survey.decide(seen, session.destination, held, options)
        made = await survey.examine(made, session.destination)
        listen(Planned(made))
        return made


async def fetch(source: str, options: Options, listen: Listener) -> Fetched:
    """Bring a repository into the cache: every file there, every hash right."""
    async with Session(source, None, options, listen) as session:
        if session.offline:
            return remember.from_cache(session.answering, listen)
        try:
            side = await session.look_at_source()
        except NetworkError as error:
            error.hint = remember.offer(session.answering) or error.hint
            raise
        async with session.model() as model:
            plan = survey.everything(side)
            held = await session.hold(side.files, plan)
            plan = survey.everything(side, held)
            listen(Planned(plan))
            session.check_space(plan)
            moved = await move(plan, held, session.tools())
            _refuse_failures(moved, options)
            session.record(side, moved.digests)
            remember.name_strangers(model, listen)
            size = sum(file.size or 0 for file in side.files)
            whole = model.manifest is not None and model.manifest.whole
            return Fetched(
                model.path, side.revision.commit, len(side.files), size, moved.fetched, whole=whole
            )


async def check(source: str, destination: str, options: Options, listen: Listener) -> tuple[Comparison, ...]:
    """Compare two repositories by digest; small files without a common digest are read and hashed."""
    async with Session(source, destination, options, listen) as session:
        seen = await _look(session)
        here, there = seen.source, seen.destination
        known = session.known(here.files)
        found = compare(here.files, there.files, known)
        known |= await survey.settle(session.source, here, survey.undecided(found))
        return compare(here.files, there.files, known)


async def _look(session: Session) -> Survey:
    here, there = await asyncio.gather(
        session.look_at_source(),
        survey.look_at_destination(session.destination, session.destination_ref, session.listen),
    )
    return Survey(here, there)


def _refused_entries(plan: Plan) -> dict[str, HubferryError]:
    """Return the entries that may not be copied; without `keep_going` the plan was refused for them."""
    found = refusals(plan.findings)
    return {one.path: one.error for one in found if one.path is not None and one.error is not None}


async def _create_if_absent(session: Session, seen: Survey, plan: Plan) -> Survey:
    """Create the destination; a new one may come with files of its own, so it is listed again."""
    if seen.destination.revision.exists:
        return seen
    await session.destination.ensure(session.destination_ref, plan.new or NewRepository())
    there = await survey.look_at_destination(session.destination, session.destination_ref, session.listen)
    return Survey(seen.source, there)


def _refuse_failures(moved: Moved, options: Options) -> None:
    """Publish nothing when a file failed, unless the good ones are wanted all the same."""
    if not moved.failures or options.keep_going:
        return
    if len(moved.failures) == 1:
        raise next(iter(moved.failures.values()))
    raise _partial(moved.failures)


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
        return session.small_content(step) if known is None else known

    work = publish.Publication(session.destination, plan.destination.ref, plan, moved.digests, content)
    commits = await publish.publish(work, changes, session.message(plan), session.listen)
    if commits:
        deleted = [step for step in changes if step.action is Action.DELETE]
        await publish.prove(work, [step for step in good if step.action is not Action.DELETE], deleted)
    return commits


def _changes(step: Step, listed: RepoFile | None, digests: dict[str, Digests]) -> bool:
    """Return whether a step belongs into the commit, now that every digest is known."""
    if step.action not in _CHANGES:
        return False
    ours = digests.get(step.file.path)
    return step.action is Action.DELETE or listed is None or ours is None or not ours.fit(listed)


def _finish(
    session: Session, plan: Plan, started: float, moved: Moved | None = None, commits: tuple[str, ...] = ()
) -> Report:
    failures = (moved.failures if moved else {}) | _refused_entries(plan)
    good = [
        step for step in plan.steps if step.action is not Action.DELETE and step.file.path not in failures
    ]
    report = Report(
        plan=plan,
        commits=commits,
        fetched=moved.fetched if moved else 0,
        sent=moved.sent if moved else 0,
        reused=sum(step.file.size or 0 for step in plan.of(Action.REUSE)),
        verified=not failures,
        seconds=time.monotonic() - started,
        files=len(good),
        size=sum(step.file.size or 0 for step in good),
    )
    session.listen(Finished(report))
    if failures:
        raise _partial(failures)
    return report
