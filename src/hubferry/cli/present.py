"""Say in words, or as a JSON document, what a plan would do and what a run did."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from hubferry.cli import plan_counts
from hubferry.cli.output import duration, iso_time, size, visible
from hubferry.commits import commit_of, listing_digest_of, short
from hubferry.errors import PartialError
from hubferry.findings import Kind
from hubferry.i18n import _, ngettext
from hubferry.model import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.beside import PullRequest
    from hubferry.errors import HubferryError
    from hubferry.findings import Finding
    from hubferry.model import HubName, NewRepository, Plan, Report, Revision, Step

_MOST_DOOMED = 20
"""Files to delete that are named before a run; a dry run lists all of them."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_NAMES = 8
"""Tags that a report names."""
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
    """Return a repository with its commit, where it has one: `hf:org/name @ 1a2b3c4d5e6f`."""
    if not revision.exists:
        return _("{ref} (to be created)").format(ref=revision.ref)
    commit = commit_of(revision.ref.hub, revision.commit)
    return str(revision.ref) if commit is None else f"{revision.ref} @ {short(commit)}"


def state_words(hub: HubName, name: str) -> str:
    """Return the commit of a state in words; a hub that names none is said to."""
    commit = commit_of(hub, name)
    if commit is None:
        return _("ModelScope names no commit") if hub == "ms" else _("a folder has no commit")
    return _("commit {commit}").format(commit=short(commit))


def plan_lines(plan: Plan) -> list[str]:
    """Return the plan: one line a file, then the sums."""
    words = [action_word(step) for step in plan.steps]
    wide = max((_columns(word) for word in words), default=0)
    lines = [f"{revision_words(plan.source)} -> {revision_words(plan.destination)}"]
    for step, word in zip(plan.steps, words, strict=True):
        amount = size(step.file.size or 0)
        lines.append(f"  {word}{' ' * (wide - _columns(word))}  {amount:>10}  {visible(step.file.path)}")
    return [*lines, *circumstances(plan), *planned_name_lines(plan), plan_sum(plan)]


def circumstances(plan: Plan) -> list[str]:
    """Return what goes with a plan: what is created, left out, worth knowing, deleted, only there."""
    lines = [creation_words(plan.new)] if plan.new is not None else []
    lines += finding_lines(finding for finding in plan.findings if finding.error is None)
    doomed = [step.file.path for step in plan.of(Action.DELETE)]
    if doomed:
        lines.append(_("to delete at the destination: {paths}").format(paths=some(doomed, _MOST_DOOMED)))
    return [*lines, *only_there_words(plan)]


def creation_words(new: NewRepository) -> str:
    """Return how the destination is going to be created."""
    if new.branch_only:
        return _("the branch will be created; the repository is there")
    if new.visibility == "private":
        return _("will be created as private, licence {license}").format(license=new.license)
    return _("will be created as public, licence {license}").format(license=new.license)


def created_words(new: NewRepository, there: Revision) -> str:
    """Return how the destination was created."""
    if new.branch_only:
        return _("created: the branch of {ref}").format(ref=there.ref)
    if new.visibility == "private":
        return _("created: {ref}, private, licence {license}").format(ref=there.ref, license=new.license)
    return _("created: {ref}, public, licence {license}").format(ref=there.ref, license=new.license)


def only_there_words(plan: Plan) -> list[str]:
    """Return a line about the files that only the destination has, none where it has none."""
    count = len(plan.only_there)
    if not count:
        return []
    sentence = ngettext(
        "{count} file more at the destination ({paths}); --delete removes it",
        "{count} files more at the destination ({paths}); --delete removes them",
        count,
    )
    return [sentence.format(count=count, paths=some([file.path for file in plan.only_there]))]


def some(paths: Sequence[str], most: int = 3) -> str:
    """Return the first few of many names, and how many more there are."""
    named = _(", ").join(visible(path) for path in paths[:most])
    more = len(paths) - most
    if more <= 0:
        return named
    return ngettext("{paths} and {count} more", "{paths} and {count} more", more).format(
        paths=named, count=more
    )


def planned_name_lines(plan: Plan) -> list[str]:
    """Return what is done with tags and branches, a line each."""
    lines = []
    for one in plan.names:
        words = {"name": one.name, "reason": one.reason}
        if one.way == "moved":
            lines.append(_("refused: {reason}").format(**words))
        elif one.way == "left-out":
            lines.append(_("left out: {reason}").format(**words))
        elif one.way == "same":
            sentence = _("tag {name}: the same") if one.kind == "tag" else _("branch {name}: the same")
            lines.append(sentence.format(**words))
        else:
            sentence = _("tag {name}: to be made") if one.kind == "tag" else _("branch {name}: to be copied")
            lines.append(sentence.format(**words))
    return [visible(line) for line in lines]


def name_lines(report: Report) -> list[str]:
    """Return a line for the tags and the branches that are as they should be, and for each left out."""
    lines = []
    tags = [one.name for one in report.names if one.kind == "tag"]
    branches = [one.name for one in report.names if one.kind == "branch"]
    if tags:
        lines.append(_("tags: {names}").format(names=some(tags, _MOST_NAMES)))
    if branches:
        lines.append(_("branches: {names}").format(names=some(branches, _MOST_NAMES)))
    left = [one.reason for one in report.plan.names if one.way == "left-out"]
    return [*lines, *(visible(_("left out: {reason}").format(reason=reason)) for reason in left)]


def exactness_lines(report: Report) -> list[str]:
    """Return what is not as at the source, and by what that was verified; nothing where there is neither."""
    lines = []
    if report.plan.adapted:
        lines.append(_("changed on the way: {paths}").format(paths=some(sorted(report.plan.adapted))))
    if report.edited:
        message = _("changed by the destination, which adds lines of its own: {paths}")
        lines.append(message.format(paths=some(report.edited)))
    if report.plan.source.signed:
        lines.append(_("source verified by {names}").format(names=some(report.plan.source.signed)))
    return lines


def pull_lines(report: Report) -> list[str]:
    """Return where the change is proposed, nothing where it was made."""
    pull = report.pull_request
    if pull is None:
        return []
    return [_("pull request {number}: {url}").format(number=pull.number, url=pull.url)]


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
    parts += plan_counts.plan_words(plan_counts.of(plan))
    return _("plan: {parts}").format(parts=_(", ").join(parts))


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
    beside = [*exactness_lines(report), *pull_lines(report), *name_lines(report)]
    return [proof, *made, *only_there_words(report.plan), *_left_out_words(report.plan), *beside, took]


def _left_out_words(plan: Plan) -> list[str]:
    """Return a line that names what was left out, none where nothing was."""
    paths = [one.path or "" for one in plan.findings if one.kind is Kind.LEFT_OUT]
    return [_("left out: {paths}").format(paths=some(paths))] if paths else []


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
                "source_commit": _commit(one.source_commit),
                "target_commit": _commit(one.target_commit),
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


def _commit(mark: str) -> str | None:
    """Return what a hub says of a name, where that is a commit."""
    return mark if _COMMIT.fullmatch(mark) else None


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


def _columns(text: str) -> int:
    """Return how many columns a terminal gives to `text`: a Chinese letter takes two."""
    return sum(2 if ord(letter) >= 0x2E80 else 1 for letter in text)  # noqa: PLR2004  # first CJK block
