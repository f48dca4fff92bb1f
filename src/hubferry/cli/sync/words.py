"""Runs of a mirror file in words, in columns and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import plan_counts, plan_words
from hubferry.cli import output, present
from hubferry.cli.cache.words import aligned
from hubferry.cli.output import duration, iso_time, size
from hubferry.commits import commit_or_none
from hubferry.findings import refusals
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hubferry.errors import HubferryError
    from hubferry.sync.history.values import PastOutcome
    from hubferry.sync.outcome import Change, Outcome, Status, Summary

STATUSES: tuple[Status, ...] = ("copied", "same", "failed", "skipped", "stopped")


def status_word(status: Status) -> str:
    """Return how a repository ended, in a word."""
    return {
        "same": _("the same"),
        "copied": _("copied"),
        "failed": _("failed"),
        "skipped": _("not begun"),
        "stopped": _("stopped"),
    }[status]


def outcome_line(outcome: Outcome) -> str:
    """Return a sentence about a repository that has ended."""
    job = outcome.job
    if outcome.error is not None:
        return _("{source} -> {target}: failed: {reason}").format(
            source=job.source, target=job.target, reason=outcome.error.sentence
        )
    words = {"source": job.source, "target": job.target, "status": status_word(outcome.status)}
    if outcome.status != "copied":
        return _("{source} -> {target}: {status}").format(**words)
    return _("{source} -> {target}: {status}, {size} ({time})").format(
        size=size(outcome.sent), time=duration(outcome.seconds), **words
    )


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield a table of what was not simply the same, errors with what to type, and the sum."""
    told = [one for one in summary.outcomes if one.status != "same"]
    if told:
        heads = (_("STATUS"), _("FILES"), _("FETCHED"), _("SENT"), _("TIME"), _("REPOSITORY"))
        yield from aligned([heads, *(_row(one) for one in told)], right=(1, 2, 3, 4))
    for one in told:
        for note in one.notes:
            yield f"{one.job.source}: {note}"
        if one.error is not None:
            yield from _error_lines(one.job.source, one.error)
    yield summary_line(summary)


def _row(outcome: Outcome) -> tuple[str, ...]:
    job = outcome.job
    moved = (str(outcome.files), size(outcome.fetched), size(outcome.sent), duration(outcome.seconds))
    numbers = moved if outcome.status in ("copied", "failed") and outcome.seconds else ("-", "-", "-", "-")
    return status_word(outcome.status), *numbers, output.visible(f"{job.source} -> {job.target}")


def _error_lines(name: str, error: HubferryError) -> Iterator[str]:
    for one in (error, *error.others):
        yield f"{name}: {one.sentence}"
        if one.hint:
            yield "  " + _("hint:") + output.blank_after(_("hint:")) + one.hint


def summary_line(summary: Summary) -> str:
    """Return what a run comes to, in a line."""
    parts = counted({status: sum(one.status == status for one in summary.outcomes) for status in STATUSES})
    fetched, sent = (sum(getattr(one, name) for one in summary.outcomes) for name in ("fetched", "sent"))
    if fetched or sent:
        parts.append(_("fetched {fetched}, sent {sent}").format(fetched=size(fetched), sent=size(sent)))
    commits = sum(len(one.commits) for one in summary.outcomes)
    if commits:
        parts.append(ngettext("{count} commit", "{count} commits", commits).format(count=commits))
    said = _(", ").join(parts) or _("nothing to do")
    return _("{moved} ({time})").format(moved=said, time=duration(summary.seconds))


def counted(counts: Mapping[Status, int]) -> list[str]:
    """Return how many repositories ended in which way, in a few words each."""
    sentences: dict[Status, str] = {
        "copied": _("{count} copied"),
        "same": _("{count} the same"),
        "failed": _("{count} failed"),
        "skipped": _("{count} not begun"),
        "stopped": _("{count} stopped"),
    }
    return [sentences[status].format(count=counts[status]) for status in STATUSES if counts.get(status)]


def summary_document(summary: Summary) -> dict[str, object]:
    """Return a run as JSON takes it."""
    return {
        "started": iso_time(summary.started),
        "seconds": round(summary.seconds, 3),
        "good": not summary.failed,
        "repositories": [outcome_document(one) for one in summary.outcomes],
    }


def outcome_document(outcome: Outcome) -> dict[str, object]:
    """Return what became of a repository as JSON takes it."""
    job = outcome.job
    return {
        "entry": job.entry.name,
        "source": job.source,
        "target": job.target,
        **facts_document(outcome),
        "error": None if outcome.error is None else present.error_document(outcome.error),
    }


def facts_document(one: Outcome | PastOutcome) -> dict[str, object]:
    """Return how a repository ended, now or in an earlier run, as JSON takes it."""
    return {
        "status": one.status,
        "started": iso_time(one.started),
        "seconds": round(one.seconds, 3),
        "source_commit": one.source_commit or None,
        "target_commit": one.target_commit or None,
        "commits": list(one.commits),
        "fetched": one.fetched,
        "sent": one.sent,
        "files": one.files,
        "size": one.size,
        "names": [
            {
                "name": name.name,
                "kind": name.kind,
                "source_commit": commit_or_none(name.source_commit),
                "target_commit": commit_or_none(name.target_commit),
            }
            for name in one.names
        ],
        "notes": list(one.notes),
    }


def change_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Yield what a run would do: a line for each repository that is not as it should be, and the sum."""
    same = [one for one in changes if _is_same(one)]
    for change in changes:
        if change not in same:
            yield from _change_lines(change)
    sentence = ngettext("{count} repository is up to date", "{count} repositories are up to date", len(same))
    yield _("{same}, {others} to copy, {failed} with errors").format(
        same=sentence.format(count=len(same)),
        others=sum(one.plan is not None and one not in same and not _refused(one) for one in changes),
        failed=sum(one.plan is None or _refused(one) for one in changes),
    )


def _is_same(change: Change) -> bool:
    nothing = change.plan is not None and change.plan.nothing_to_do and not change.names
    return nothing and not _refused(change)


def _refused(change: Change) -> bool:
    return change.plan is not None and bool(refusals(change.plan.findings))


def _change_lines(change: Change) -> Iterator[str]:
    name = f"{change.job.source} -> {change.job.target}"
    if change.error is not None:
        yield f"! {name}"
        yield from ("    " + line for line in _error_lines(change.job.source, change.error))
        return
    plan = change.plan
    assert plan is not None  # noqa: S101 - one of the two is there
    sign = "!" if _refused(change) else "+" if not plan.destination.exists else "*"
    yield f"{sign} {name}"
    for line in (*plan_words.circumstances(plan), plan_words.plan_sum(plan)):
        yield "    " + line
    if change.names:
        names = _("tags and branches to make: {names}").format(names=plan_words.some(change.names, 10))
        yield "    " + names
    for finding in refusals(plan.findings):
        if finding.error is not None:
            yield from ("    " + line for line in _error_lines(change.job.source, finding.error))


def changes_document(changes: Sequence[Change]) -> dict[str, object]:
    """Return what a run would do as JSON takes it."""
    return {"repositories": [change_document(one) for one in changes]}


def change_document(change: Change) -> dict[str, object]:
    """Return what would be done with one repository as JSON takes it."""
    plan = change.plan
    return {
        "entry": change.job.entry.name,
        "source": change.job.source,
        "target": change.job.target,
        "nothing_to_do": None if plan is None else plan.nothing_to_do,
        "new": None if plan is None else not plan.destination.exists,
        "counts": None if plan is None else plan_counts.document(plan_counts.of(plan)),
        "fetch_bytes": None if plan is None else plan.fetch_bytes,
        "send_bytes": None if plan is None else plan.send_bytes,
        "names": list(change.names),
        "findings": [] if plan is None else present.findings_document(plan.findings),
        "notes": list(change.notes),
        "error": None if change.error is None else present.error_document(change.error),
    }
