"""A whole run of a mirror file: what there is to do, done side by side, remembered, summed up."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hubferry import config, units
from hubferry.errors import UsageError
from hubferry.events import Note
from hubferry.i18n import _
from hubferry.options import Options
from hubferry.sync import jobs as expanding
from hubferry.sync import one
from hubferry.sync.events import Ended, Expanded, Happened, Looked, Started, unheard
from hubferry.sync.keeping import Keeper
from hubferry.sync.outcome import Change, Outcome, Summary
from hubferry.sync.runner import LocalRunner
from hubferry.sync.spec import Manner
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hubferry.sync.events import Hear, Told
    from hubferry.sync.history.values import Memory
    from hubferry.sync.jobs import Expansion
    from hubferry.sync.runner import Runner
    from hubferry.sync.spec import Entry, Job, SyncFile


def _forget(_outcome: Outcome) -> None:
    """Keep nothing."""


def _unknown(_jobs: Sequence[Job]) -> Mapping[Job, Memory]:
    """Remember nothing."""
    return {}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one run of a file was asked for.

    Attributes:
        only: Names of entries, or of repositories that they come to, globs among them; empty for all.
        fail_fast: Begin nothing more after a failure.
        manner: How each copy is made.
        runner: Where; None for this process, as many at once as the file says.
        keep: Called with each outcome, off the event loop, one after another: to remember it.
        recall: Called with the jobs, off the event loop: says what earlier runs made of them.
    """

    only: tuple[str, ...] = ()
    fail_fast: bool = False
    manner: Manner = field(default_factory=Manner)
    runner: Runner | None = None
    keep: Callable[[Outcome], None] = _forget
    recall: Callable[[Sequence[Job]], Mapping[Job, Memory]] = _unknown


async def run(file: SyncFile, entries: Sequence[Entry], asked: Asked, hear: Hear = unheard) -> Summary:
    """Bring the targets of `entries` up to date once, with the hubs of the file laid over what is configured.

    Raises:
        UsageError: `only` names nothing.
    """
    started, clock = time.time(), time.monotonic()
    with config.laid_over(file.hubs):
        async with Keeper(asked.keep) as keeper:
            course = _Course(asked, hear, keeper)
            expansion = await _expanded(entries, asked, hear)
            for lost in expansion.failed:
                course.take(Outcome(lost.job, "failed", time.time(), error=lost.error))
            try:
                jobs = await _remembered(expansion.jobs, asked, course)
                runner = asked.runner or LocalRunner(file.jobs)
                await runner.run(jobs, asked.manner, course.hear, course.take, course.halt)
            finally:
                course.end(expansion.jobs)
    return Summary(started, time.monotonic() - clock, _in_order(expansion, course.outcomes))


async def _remembered(jobs: Sequence[Job], asked: Asked, course: _Course) -> list[Job]:
    """Return the jobs with what earlier runs found; who failed of late and often is left alone for a while.

    Whoever is named by `only` is not.
    """
    past = await asyncio.to_thread(asked.recall, jobs)
    begun = []
    for job in jobs:
        known = past.get(job)
        if known is not None and (known.next_try or 0.0) > time.time() and not asked.only:
            message = _("failed {count} times in a row; it is tried again after {time}, or with --only")
            until = units.clock(known.next_try or 0.0, time.time())
            note = message.format(count=known.failures, time=until)
            course.take(Outcome(job, "skipped", time.time(), notes=(note,)))
        elif known is not None and known.proves(job):
            names = {one.name: (one.source_commit, one.target_commit) for one in known.names}
            begun.append(replace(job, proven=names))
        else:
            begun.append(job)
    return begun


class _Course:
    """What has become of each repository of one run so far."""

    def __init__(self, asked: Asked, hear: Hear, keeper: Keeper) -> None:
        self._asked = asked
        self._hear = hear
        self._keeper = keeper
        self._begun: dict[Job, float] = {}
        self.outcomes: list[Outcome] = []
        self.halt = asyncio.Event()

    def hear(self, told: Told) -> None:
        """Pass on what is told, and see what begins."""
        if isinstance(told, Started):
            self._begun[told.job] = time.time()
        self._hear(told)

    def take(self, outcome: Outcome) -> None:
        """Take what became of a repository."""
        self.outcomes.append(outcome)
        self._keeper.take(outcome)
        self._hear(Ended(outcome))
        if self._asked.fail_fast and not outcome.good:
            self.halt.set()

    def end(self, jobs: Sequence[Job]) -> None:
        """Account for what did not come to its end: what was broken off, and what never began."""
        over = {outcome.job for outcome in self.outcomes}
        for job in jobs:
            if job in over:
                continue
            began = self._begun.get(job)
            if began is None:
                self.take(Outcome(job, "skipped", time.time()))
            else:
                self.take(Outcome(job, "stopped", began, time.time() - began))


async def check(
    file: SyncFile, entries: Sequence[Entry], asked: Asked, hear: Hear = unheard
) -> tuple[Change, ...]:
    """Return what `run` would change, repository by repository; nothing is written.

    Raises:
        UsageError: `only` names nothing.
    """
    with config.laid_over(file.hubs):
        expansion = await _expanded(entries, asked, hear)
        places = asyncio.Semaphore(file.jobs)

        async def look(job: Job) -> Change:
            async with places:
                change = await one.look_ahead(job, asked.manner, lambda event: hear(Happened(job, event)))
            hear(Looked(change))
            return change

        lost = [Change(one.job, error=one.error) for one in expansion.failed]
        return (*lost, *await run_all(*(look(job) for job in expansion.jobs)))


async def _expanded(entries: Sequence[Entry], asked: Asked, hear: Hear) -> Expansion:
    """Return the jobs that are asked for, and tell of them."""
    meant = wanted(entries, asked.only)
    found = await expanding.expand(meant, Options(), lambda event: hear(Happened(None, event)))
    if asked.only:
        found = replace(
            found,
            jobs=tuple(job for job in found.jobs if _is_meant(job, asked.only)),
            failed=tuple(lost for lost in found.failed if _is_meant(lost.job, asked.only)),
        )
        if not found.jobs and not found.failed:
            raise _nothing_named(entries, asked.only)
    for note in found.notes:
        hear(Happened(None, Note(note)))
    hear(Expanded(found.jobs))
    return found


def wanted(entries: Sequence[Entry], only: Sequence[str]) -> list[Entry]:
    """Return the entries that `only` names, and those whose repositories it may name."""
    if not only:
        return list(entries)
    strange = [word for word in only if not any(fnmatchcase(entry.name, word) for entry in entries)]
    return [entry for entry in entries if _matches(entry.name, only) or (entry.is_pattern and strange)]


def _is_meant(job: Job, only: Sequence[str]) -> bool:
    return any(_matches(name, only) for name in (job.entry.name, job.source, job.target))


def _matches(name: str, words: Sequence[str]) -> bool:
    return any(fnmatchcase(name, word) for word in words)


def _nothing_named(entries: Sequence[Entry], only: Sequence[str]) -> UsageError:
    names = [entry.name for entry in entries]
    near = get_close_matches(only[0], names, n=1)
    hint = _("did you mean: {names}").format(names=near[0] if near else _(", ").join(names))
    return UsageError(_("--only {word} names nothing in the file").format(word=only[0]), hint=hint)


def _in_order(expansion: Expansion, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcomes in the order of the file, what could not be expanded first."""
    place = {job: number for number, job in enumerate(expansion.jobs)}
    return tuple(sorted(outcomes, key=lambda outcome: place.get(outcome.job, -1)))
