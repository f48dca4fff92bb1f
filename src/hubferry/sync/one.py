"""One repository of a mirror, brought up to date: a copy, its names, and what became of it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry import transfer
from hubferry.errors import HubferryError
from hubferry.events import Committed, Finished
from hubferry.findings import Kind
from hubferry.i18n import _
from hubferry.options import Options
from hubferry.results import Report
from hubferry.sync import receipts
from hubferry.sync.outcome import Change, FileProof, Outcome
from hubferry.sync.spec import Entry, Job, Manner

if TYPE_CHECKING:
    from hubferry.events import Event, Listener
    from hubferry.model import Blob, Plan


async def mirror(job: Job, manner: Manner, listen: Listener) -> Outcome:
    """Bring one target up to date, and say what became of it; only being cancelled comes out as an error."""
    outcome = await begin(job, manner, listen, math.inf)
    assert isinstance(outcome, Outcome)  # noqa: S101 - nothing is as large as that
    return outcome


async def begin(job: Job, manner: Manner, listen: Listener, least: float) -> Outcome | tuple[Blob, ...]:
    """Do the same, unless it has `least` bytes of blobs to send; see `transfer.begin`.

    One with tags is not cut.
    """
    started, clock = time.time(), time.monotonic()
    kept = _Kept(listen)
    try:
        if job.entry.has_names:
            outcome = await _with_names(job, manner, kept, started)
        else:
            report = await transfer.begin(job.source, job.target, options_of(job, manner), kept.hear, least)
            if not isinstance(report, Report):
                return report
            outcome = outcome_of(job, report, manner, started)
        if manner.proof and outcome.good:
            outcome = await receipts.settled(outcome, options_of(job, manner), listen)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other repositories go on
        outcome = Outcome(job, "failed", started, error=_as_ours(error))
        if kept.report is not None:
            outcome = replace(
                outcome_of(job, kept.report, manner, started), status="failed", error=outcome.error
            )
        outcome = replace(outcome, commits=tuple(kept.commits))
    return replace(outcome, seconds=time.monotonic() - clock)


async def _with_names(job: Job, manner: Manner, kept: _Kept, started: float) -> Outcome:
    """Bring a target up to date with the tags and branches that its entry names."""
    from hubferry.names.copy import copy_names

    result = await copy_names(job.wanted, options_of(job, manner), kept.hear, job.proven)
    outcome = Outcome(job, "failed", started)
    if result.head is not None:
        outcome = outcome_of(job, result.head, manner, started)
        outcome = replace(outcome, status="copied" if result.changed else outcome.status)
    return replace(
        outcome,
        status="failed" if result.error is not None else outcome.status,
        commits=result.commits,
        fetched=result.fetched,
        sent=result.sent,
        names=result.names,
        notes=(*outcome.notes, *result.notes),
        error=result.error,
    )


class _Kept:
    """Pass events on, and keep what a copy that fails has done all the same."""

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self.commits: list[str] = []
        self.report: Report | None = None

    def hear(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Committed):
            self.commits.append(event.commit)
        elif isinstance(event, Finished):
            self.report = event.report
        self._listen(event)


async def look_ahead(job: Job, manner: Manner, listen: Listener) -> Change:
    """Return what `mirror` would do."""
    options = options_of(job, manner)
    try:
        plan = await transfer.plan(job.source, job.target, options, listen)
        if not job.entry.has_names:
            return Change(job, plan, _notes(plan))
        from hubferry.names.copy import look_ahead_at_names

        names = await look_ahead_at_names(job.wanted, options, listen, job.proven)
        return Change(job, plan, (*_notes(plan), *names.notes), tuple(step.name for step in names.to_make))
    except Exception as error:  # noqa: BLE001 - as above
        return Change(job, error=_as_ours(error))


def options_of(job: Job, manner: Manner) -> Options:
    """Return what a copy is told for a job; logins are found where the copy is made."""
    entry = job.entry
    return Options(
        include=entry.include,
        exclude=entry.exclude,
        delete=entry.delete.wanted,
        max_delete=entry.delete.most,
        visibility=None if entry.visibility == "source" else entry.visibility,
        license=entry.license,
        message=entry.message,
        jobs=manner.connections,
        fetch_rate=manner.fetch_rate,
        send_rate=manner.send_rate,
        cache=entry.cache,
        cache_root=manner.cache_root,
        keep_going=entry.keep_going,
        allow=entry.allow,
        card=entry.card,
    )


def outcome_of(job: Job, report: Report, manner: Manner, started: float) -> Outcome:
    """Return what became of a job whose copy was proven."""
    plan = report.plan
    return Outcome(
        job,
        "copied" if report.commits else "same",
        started,
        report.seconds,
        plan.source.commit,
        report.commits[-1] if report.commits else plan.destination.commit,
        report.commits,
        report.fetched,
        report.sent,
        report.files,
        report.size,
        proof=_proof(report) if manner.proof else (),
        others=tuple(file.path for file in plan.only_there) if manner.proof else (),
        notes=_notes(plan),
        adapted=tuple(sorted(plan.adapted)),
        edited=report.edited,
        verified_by=plan.source.signed,
    )


def copied(report: Report, options: Options) -> Outcome:
    """Return what became of a copy that no mirror file asked for, as that of a job; for its receipt."""
    plan, started = report.plan, time.time() - report.seconds
    source, target = str(plan.source.ref), str(plan.destination.ref)
    entry = Entry(source, source, target, include=options.include, exclude=options.exclude)
    outcome = outcome_of(Job(entry, source, target), report, Manner(proof=True), started)
    return replace(outcome, names=report.names, pull_request=report.pull_request)


def _proof(report: Report) -> tuple[FileProof, ...]:
    """Name each file by what the listings and our own reading know of it."""
    proofs = []
    for step in report.plan.steps:
        if step.action.value == "delete":
            continue
        known = report.digests.get(step.file.path)
        sha256 = step.sha256 or step.file.sha256 or (known.sha256 if known else None)
        size = step.file.size if step.file.size is not None else (known.size if known else 0)
        proofs.append(FileProof(step.file.path, size, sha256, step.file.git_sha1))
    return tuple(proofs)


def _notes(plan: Plan) -> tuple[str, ...]:
    return tuple(one.sentence for one in plan.findings if one.kind is not Kind.REFUSED)


def _as_ours(error: Exception) -> HubferryError:
    if isinstance(error, HubferryError):
        return error
    message = _("unexpected {kind}: {reason}").format(kind=type(error).__name__, reason=error)
    return HubferryError(message, hint="hubferry doctor")
