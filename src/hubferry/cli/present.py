"""Say in words, or as a JSON document, what a plan would do and what a run did."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hubferry import plan_counts, plan_words
from hubferry.cli import cells, name_words
from hubferry.cli.output import duration, iso_time, size, visible
from hubferry.commits import commit_of, commit_or_none, listing_digest_of, short
from hubferry.errors import PartialError
from hubferry.findings import Kind
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.beside import PullRequest
    from hubferry.errors import HubferryError
    from hubferry.findings import Finding
    from hubferry.model import HubName, NewRepository, Plan, Revision
    from hubferry.results import Report


def state_words(hub: HubName, name: str) -> str:
    """Return the commit of a state in words; a hub that names none is said to."""
    commit = commit_of(hub, name)
    if commit is None:
        return _("ModelScope names no commit") if hub == "ms" else _("a folder has no commit")
    return _("commit {commit}").format(commit=short(commit))


def plan_lines(plan: Plan, place: str | None = None) -> list[str]:
    """Return the plan: one line a file, then the sums; `place` names a destination that is no repository."""
    words = [plan_words.action_word(step) for step in plan.steps]
    wide = max(map(cells.width, words), default=0)
    there = plan_words.revision_words(plan.destination) if place is None else place
    lines = [f"{plan_words.revision_words(plan.source)} -> {there}"]
    for step, word in zip(plan.steps, words, strict=True):
        amount = size(step.file.size or 0)
        lines.append(f"  {cells.padded(word, wide)}  {amount:>10}  {visible(step.file.path)}")
    return [
        *lines,
        *plan_words.circumstances(plan),
        *name_words.planned_name_lines(plan),
        plan_words.plan_sum(plan),
    ]


def created_words(new: NewRepository, there: Revision) -> str:
    """Return how the destination was created."""
    if new.branch_only:
        return _("created: the branch of {ref}").format(ref=there.ref)
    if new.visibility == "private":
        return _("created: {ref}, private, licence {license}").format(ref=there.ref, license=new.license)
    return _("created: {ref}, public, licence {license}").format(ref=there.ref, license=new.license)


def exactness_lines(report: Report) -> list[str]:
    """Return what is not as at the source, and by what that was verified; nothing where there is neither."""
    lines = []
    if report.plan.adapted:
        lines.append(
            _("changed on the way: {paths}").format(paths=plan_words.some(sorted(report.plan.adapted)))
        )
    if report.edited:
        message = _("changed by the destination, which adds lines of its own: {paths}")
        lines.append(message.format(paths=plan_words.some(report.edited)))
    if report.plan.source.signed:
        lines.append(_("source verified by {names}").format(names=plan_words.some(report.plan.source.signed)))
    return lines


def report_lines(report: Report) -> list[str]:
    """Return what a run did and what is proven, in a few lines."""
    count = report.files
    there = ngettext("{count} file", "{count} files", count).format(count=count)
    proof = _("verified: {files}, {size}, identical at {destination}")
    if report.plan.only_there:
        proof = _("verified: {files}, {size}, the same at {destination}")
    proof = proof.format(files=there, size=size(report.size), destination=report.plan.destination.ref)
    counts = plan_counts.of(report.plan)
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
        moved = _(", ").join([moved, *plan_counts.report_words(counts)])
    inside = report.plan.duplicated
    if inside:
        moved += _(", {size} copied by the hub itself").format(size=size(inside))
    took = _("{moved} ({time})").format(moved=moved, time=duration(report.seconds))
    made = [] if report.plan.new is None else [created_words(report.plan.new, report.plan.destination)]
    beside = [*exactness_lines(report), *name_words.pull_lines(report), *name_words.name_lines(report)]
    return [
        proof,
        *made,
        *plan_words.only_there_words(report.plan),
        *_left_out_words(report.plan),
        *beside,
        took,
    ]


def _left_out_words(plan: Plan) -> list[str]:
    """Return a line that names what was left out, none where nothing was."""
    paths = [one.path or "" for one in plan.findings if one.kind is Kind.LEFT_OUT]
    return [_("left out: {paths}").format(paths=plan_words.some(paths))] if paths else []


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
        "duplicated": report.plan.duplicated,
        "commits": _commits(report),
        "commit_count": len(report.commits),
        "created": _creation_document(report.plan.new),
        "exact": not (report.plan.adapted or report.edited),
        "adapted": sorted(report.plan.adapted),
        "edited": list(report.edited),
        "verified_by": list(report.plan.source.signed),
        "findings": findings_document(report.plan.findings),
        "only_at_destination": [file.path for file in report.plan.only_there],
        "names": [
            {
                "name": one.name,
                "kind": one.kind,
                "source_commit": commit_or_none(one.source_commit),
                "target_commit": commit_or_none(one.target_commit),
            }
            for one in report.names
        ],
        "names_left_out": [
            {"name": one.name, "kind": one.kind, "reason": one.reason}
            for one in report.plan.names
            if one.way == "left-out"
        ],
        "pull_request": _pull_document(report.pull_request),
        "started": iso_time(now - report.seconds),
        "finished": iso_time(now),
        "seconds": round(report.seconds, 3),
    }


def _pull_document(pull: PullRequest | None) -> dict[str, object] | None:
    return None if pull is None else {"number": pull.number, "url": pull.url, "revision": pull.revision}


def _commits(report: Report) -> list[str]:
    """Return what the destination calls the commits that were made; a folder has none."""
    return [] if report.plan.destination.ref.hub == "dir" else [name for name in report.commits if name]


def plan_document(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON takes it."""
    return {
        "source": _revision_document(plan.source),
        "destination": _revision_document(plan.destination),
        "nothing_to_do": plan.nothing_to_do,
        "counts": plan_counts.document(plan_counts.of(plan)),
        "fetch_bytes": plan.fetch_bytes,
        "send_bytes": plan.send_bytes,
        "create": _creation_document(plan.new),
        "adapted": sorted(plan.adapted),
        "findings": findings_document(plan.findings),
        "only_at_destination": [file.path for file in plan.only_there],
        "names": [
            {"name": one.name, "kind": one.kind, "way": one.way, "reason": one.reason or None}
            for one in plan.names
        ],
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


def _creation_document(new: NewRepository | None) -> dict[str, object] | None:
    if new is None:
        return None
    return {"visibility": new.visibility, "license": new.license, "branch_only": new.branch_only}


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


def error_document(error: HubferryError) -> dict[str, object]:
    """Return an error as JSON takes it."""
    described: dict[str, object] = {
        "kind": type(error).__name__,
        "message": error.message,
        "doing": error.doing,
        "side": error.side,
        "path": error.path,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
    if error.others:
        described["others"] = [error_document(other) for other in error.others]
    if isinstance(error, PartialError):
        described["failures"] = [error_document(failure) for failure in error.failures]
    return described


def _revision_document(revision: Revision) -> dict[str, object]:
    return {
        "hub": revision.ref.hub,
        "repository": revision.ref.repo_id,
        "named": revision.ref.named,
        "type": revision.ref.repo_type if revision.ref.hub != "dir" else None,
        "revision": revision.ref.revision,
        "commit": commit_of(revision.ref.hub, revision.commit) if revision.exists else None,
        "listing_digest": listing_digest_of(revision.ref.hub, revision.commit) if revision.exists else None,
        "exists": revision.exists,
        "private": revision.private,
        "gated": revision.gated,
        "license": revision.license,
    }
