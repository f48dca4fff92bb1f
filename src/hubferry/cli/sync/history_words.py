"""Earlier runs in columns, in words and as JSON."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from hubferry import units
from hubferry.cli import output
from hubferry.cli.cache.words import aligned, shortened
from hubferry.cli.cells import width
from hubferry.cli.output import duration, iso_time, size
from hubferry.cli.sync.words import STATUSES, counted, facts_document, status_word
from hubferry.commits import short
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hubferry.errors import HubferryError
    from hubferry.sync.history.values import Failure, How, PastOutcome, PastRun

_LEAST = 20
"""Columns that a file's name keeps on any terminal."""


def moment(timestamp: float) -> str:
    """Return seconds since 1970 as the calendar and the clock on the wall show them."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(units.moment(timestamp)))


def how_word(how: How) -> str:
    """Return how a run ended, in a word or two."""
    return {
        "finished": _("finished"),
        "failed": _("failed"),
        "stopped": _("stopped"),
        "running": _("running"),
        "broken-off": _("broken off"),
    }[how]


def run_lines(runs: Sequence[PastRun], *, terminal: bool) -> list[str]:
    """Return a row a run; a column for the file where there are several.

    Args:
        runs: In the order of the rows; one at least.
        terminal: Whether to shorten files to its width.
    """
    heads = [_("RUN"), _("STARTED"), _("TIME"), _("RESULT"), _("COPIED"), _("SAME"), _("FAILED"), _("OTHERS")]
    rows = [[*heads, _("FETCHED"), _("SENT")], *(_run_row(run) for run in runs)]
    lines = aligned(rows, right=(0, 2, 4, 5, 6, 7, 8, 9), keep=True)
    if len({run.file for run in runs}) == 1:
        return [line.rstrip() for line in lines]
    room = max(_LEAST, shutil.get_terminal_size().columns - width(lines[0]) - 2) if terminal else None
    files = [_("FILE"), *(shortened(output.visible(run.file), room) for run in runs)]
    return [f"{line}  {file}" for line, file in zip(lines, files, strict=True)]


def _run_row(run: PastRun) -> list[str]:
    counts = [run.counts.get(status, 0) for status in STATUSES]
    copied, same, failed = (str(count) for count in counts[:3])
    others = str(sum(counts[3:]))
    time_taken = duration(run.seconds if run.how != "running" else max(0.0, time.time() - run.started))
    return [
        str(run.id),
        moment(run.started),
        time_taken,
        how_word(run.how),
        *(copied, same, failed, others),
        size(run.fetched),
        size(run.sent),
    ]


def repository_lines(runs: Sequence[PastRun], inside: Mapping[int, Sequence[PastOutcome]]) -> list[str]:
    """Return a row for each repository of several runs, and why those failed that did."""
    rows = [[_("RUN"), _("STARTED"), *_heads()]]
    outcomes = [one for run in runs for one in inside[run.id]]
    rows += [[str(one.run), moment(one.started), *_row(one)] for one in outcomes]
    lines = aligned(rows, right=(0, 3, 4, 5, 6))
    return [*lines, *_reasons(outcomes)]


def detail_lines(run: PastRun, outcomes: Sequence[PastOutcome]) -> list[str]:
    """Return everything about one run: itself, its repositories, their errors and notes."""
    lines = _headline(run)
    if outcomes:
        lines += ["", *aligned([_heads(), *(_row(one) for one in outcomes)], right=(1, 2, 3, 4))]
    changes = [line for one in outcomes for line in _changes(one)]
    return [*lines, *([""] if changes else []), *changes, *_reasons(outcomes)]


def _headline(run: PastRun) -> list[str]:
    ended = "-" if run.ended is None else moment(run.ended)
    facts = [
        (_("Run"), _("{name} ({what})").format(name=run.id, what=run.kind)),
        (_("File"), output.visible(run.file)),
        (_("Started"), moment(run.started)),
        (_("Ended"), _("{name} ({what})").format(name=ended, what=how_word(run.how))),
        (_("Time"), duration(run.seconds)),
        (_("By"), _("hubferry {version}, process {pid} on {host}").format(
            version=run.version, pid=run.pid, host=output.visible(run.host))),
    ]  # fmt: skip
    moved = _("fetched {fetched}, sent {sent}").format(fetched=size(run.fetched), sent=size(run.sent))
    commits = ngettext("{count} commit", "{count} commits", run.commits).format(count=run.commits)
    facts.append((_("Sum"), _(", ").join([*counted(run.counts), moved, commits])))
    return aligned(facts)


def _heads() -> list[str]:
    return [_("STATUS"), _("FILES"), _("FETCHED"), _("SENT"), _("TIME"), _("REPOSITORY")]


def _row(one: PastOutcome) -> list[str]:
    name = output.visible(f"{one.source} -> {one.target}")
    return [
        status_word(one.status),
        str(one.files),
        size(one.fetched),
        size(one.sent),
        duration(one.seconds),
        name,
    ]


def _changes(one: PastOutcome) -> list[str]:
    """Return what a repository got: commits, tags and branches, and what there was to know."""
    lines = []
    if one.commits:
        commits = _(", ").join(short(commit) for commit in one.commits)
        sentence = _("commits {commits}, from {source}")
        lines.append(sentence.format(commits=commits, source=short(one.source_commit) or "-"))
    if one.names:
        lines.append(
            _("tags and branches: {names}").format(
                names=_(", ").join(output.visible(name.name) for name in one.names)
            )
        )
    lines += one.notes
    return [f"{output.visible(one.target)}: {line}" for line in lines]


def _reasons(outcomes: Sequence[PastOutcome]) -> list[str]:
    """Return why repositories failed, each reason of one once, and what to type."""
    told: set[tuple[str, str]] = set()
    paused: set[tuple[str, str]] = set()
    lines: list[str] = []
    for one in outcomes:
        latest = (one.source, one.target) not in paused
        paused.add((one.source, one.target))
        for error in [one.error, *one.error.others] if one.error is not None else []:
            if (one.source, error.message) in told:
                continue
            told.add((one.source, error.message))
            lines.append(f"{output.visible(one.source)}: {error.message}")
            if error.hint:
                lines.append("  " + _("hint:") + output.blank_after(_("hint:")) + error.hint)
        if latest and one.error is not None and one.next_try is not None and one.next_try > time.time():
            sentence = _("failed {count} times in a row; the next try is not before {time}")
            lines.append("  " + sentence.format(count=one.failures, time=moment(one.next_try)))
    return ["", *lines] if lines else []


def document(
    trouble: HubferryError | None,
    runs: Sequence[PastRun],
    inside: Mapping[int, Sequence[PastOutcome]],
    forgotten: Sequence[PastRun] = (),
) -> dict[str, object]:
    """Return runs as JSON takes them; repositories only of those that were looked into."""
    return {
        "trouble": None if trouble is None else trouble.sentence,
        "runs": [
            _run_document(run)
            | {
                "repositories": [_outcome_document(one) for one in inside[run.id]]
                if run.id in inside
                else None
            }
            for run in runs
        ],
        "forgotten": [run.id for run in forgotten],
    }


def _run_document(run: PastRun) -> dict[str, object]:
    return {
        "id": run.id,
        "file": run.file,
        "kind": run.kind,
        "started": iso_time(run.started),
        "ended": None if run.ended is None else iso_time(run.ended),
        "seconds": round(run.seconds, 3),
        "how": run.how,
        "host": run.host,
        "pid": run.pid,
        "version": run.version,
        "counts": {status: run.counts.get(status, 0) for status in STATUSES},
        "fetched": run.fetched,
        "sent": run.sent,
        "commits": run.commits,
    }


def _outcome_document(one: PastOutcome) -> dict[str, object]:
    return {
        "entry": one.entry,
        "source": one.source,
        "target": one.target,
        **facts_document(one),
        "error": None if one.error is None else _failure_document(one.error),
        "failures": one.failures,
        "next_try": None if one.next_try is None else iso_time(one.next_try),
    }


def _failure_document(failure: Failure) -> dict[str, object]:
    return {
        "kind": failure.kind,
        "message": failure.message,
        "doing": None,  # it is part of the message
        "side": failure.side,
        "path": failure.path,
        "hint": failure.hint,
        "exit_code": failure.exit_code,
        "others": [_failure_document(other) for other in failure.others],
    }
