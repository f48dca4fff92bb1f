"""Say in words, or as a JSON document, what a plan would do and what a run did."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hubferry.cli.output import duration, iso_time, size, visible
from hubferry.i18n import _, ngettext
from hubferry.model import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.findings import Finding
    from hubferry.model import Plan, Report, Revision, Step

_INDEPENDENT_OF_CONTENT = (Action.SAME, Action.DELETE)


def action_word(step: Step) -> str:
    """Return what happens to one file, in a word or two."""
    if step.fetches and step.action in _INDEPENDENT_OF_CONTENT:
        return _("fetch")
    if step.action in (Action.INLINE, Action.SEND, Action.FETCH_SEND):
        return _("fetch, send") if step.fetches else _("send")
    return {
        Action.SAME: _("same"),
        Action.REUSE: _("reuse"),
        Action.DELETE: _("delete"),
    }[step.action]


def revision_words(revision: Revision) -> str:
    """Return a repository with its commit: `hf:org/name @ 1a2b3c4d5e6f`."""
    if not revision.exists:
        return _("{ref} (to be created)").format(ref=revision.ref)
    return f"{revision.ref} @ {revision.commit[:12]}"


def plan_lines(plan: Plan) -> list[str]:
    """Return the plan: one line a file, then the sums."""
    words = [action_word(step) for step in plan.steps]
    wide = max((_columns(word) for word in words), default=0)
    lines = [f"{revision_words(plan.source)} -> {revision_words(plan.destination)}"]
    for step, word in zip(plan.steps, words, strict=True):
        amount = size(step.file.size or 0)
        lines.append(f"  {word}{' ' * (wide - _columns(word))}  {amount:>10}  {visible(step.file.path)}")
    return [*lines, *(f"  {line}" for line in finding_lines(plan.findings)), plan_sum(plan)]


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """Return what was found besides files, a line each."""
    return [visible(finding.sentence) for finding in findings]


def plan_sum(plan: Plan) -> str:
    """Return what a plan comes to, in a line."""
    count = len(plan.steps)
    files = ngettext("{count} file", "{count} files", count).format(count=count)
    if (
        plan.nothing_to_do and plan.destination.ref == plan.source.ref
    ):  # a fetch has no destination of its own
        return _("plan: {files}, all in the cache; nothing to fetch").format(files=files)
    if plan.nothing_to_do:
        return _("plan: {files}, all the same at the destination; nothing to do").format(files=files)
    parts = [files]
    if plan.source.ref.hub != "dir" or plan.fetch_bytes:  # a folder is read where it is
        parts.append(_("fetch {size}").format(size=size(plan.fetch_bytes)))
    if plan.send_bytes:
        parts.append(_("send {size}").format(size=size(plan.send_bytes)))
    for action, sentence in (
        (Action.SAME, _("{count} the same")),
        (Action.REUSE, _("{count} stored there already")),
        (Action.DELETE, _("{count} to delete")),
    ):
        number = sum(not step.fetches for step in plan.of(action))
        if number:
            parts.append(sentence.format(count=number))
    return _("plan: {parts}").format(parts=_(", ").join(parts))


def report_lines(report: Report) -> list[str]:
    """Return what a run did and what is proven, in a few lines."""
    count = report.files
    there = ngettext("{count} file", "{count} files", count).format(count=count)
    proof = _("verified: {files}, {size}, identical at {destination}").format(
        files=there, size=size(report.size), destination=report.plan.destination.ref
    )
    if not report.commits:
        moved = _("nothing to do: no blob was asked for, no commit made")
    else:
        commits = len(report.commits)
        folder = report.plan.source.ref.hub == "dir" and not report.fetched
        sentence = (
            _("sent {sent}, reused {reused}, {commits}")
            if folder
            else _("fetched {fetched}, sent {sent}, reused {reused}, {commits}")
        )
        moved = sentence.format(
            fetched=size(report.fetched),
            sent=size(report.sent),
            reused=size(report.reused),
            commits=ngettext("{count} commit", "{count} commits", commits).format(count=commits),
        )
    return [proof, _("{moved} ({time})").format(moved=moved, time=duration(report.seconds))]


def report_document(report: Report) -> dict[str, object]:
    """Return a run as JSON takes it: integer bytes, ISO 8601 times."""
    now = time.time()
    return {
        "source": _revision_document(report.plan.source),
        "destination": _revision_document(report.plan.destination),
        "verified": report.verified,
        "files": report.files,
        "size": report.size,
        "fetched": report.fetched,
        "sent": report.sent,
        "reused": report.reused,
        "commits": list(report.commits),
        "findings": findings_document(report.plan.findings),
        "only_at_destination": [file.path for file in report.plan.only_there],
        "started": iso_time(now - report.seconds),
        "finished": iso_time(now),
        "seconds": round(report.seconds, 3),
    }


def plan_document(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON takes it."""
    return {
        "source": _revision_document(plan.source),
        "destination": _revision_document(plan.destination),
        "nothing_to_do": plan.nothing_to_do,
        "fetch_bytes": plan.fetch_bytes,
        "send_bytes": plan.send_bytes,
        "create": {"visibility": plan.new.visibility, "license": plan.new.license} if plan.new else None,
        "findings": findings_document(plan.findings),
        "only_at_destination": [file.path for file in plan.only_there],
        "steps": [
            {
                "path": step.file.path,
                "action": step.action.value,
                "size": step.file.size,
                "fetches": step.fetches,
                "cached": step.cached,
                "replaces": step.replaces,
                "sha256": step.sha256 or step.file.sha256,
            }
            for step in plan.steps
        ],
    }


def findings_document(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return what was found as JSON takes it; the codes are stable, the messages translated."""
    return [
        {
            "kind": finding.kind.value,
            "code": finding.code,
            "path": finding.path,
            "message": finding.message,
            "exit_code": finding.error.exit_code if finding.error else None,
        }
        for finding in findings
    ]


def _revision_document(revision: Revision) -> dict[str, object]:
    return {
        "hub": revision.ref.hub,
        "repository": revision.ref.repo_id,
        "commit": revision.commit if revision.exists else None,
        "exists": revision.exists,
        "private": revision.private,
        "gated": revision.gated,
        "license": revision.license,
    }


def _columns(text: str) -> int:
    """Return how many columns a terminal gives to `text`: a Chinese letter takes two."""
    return sum(2 if ord(letter) >= 0x2E80 else 1 for letter in text)  # noqa: PLR2004  # first CJK block
