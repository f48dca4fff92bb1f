"""Say in words what a plan would do: what a command prints, and a page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import plan_counts
from hubferry.commits import commit_of, short
from hubferry.i18n import _, ngettext
from hubferry.model import Action
from hubferry.units import size, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.findings import Finding
    from hubferry.model import NewRepository, Plan, Revision, Step

_MOST_DOOMED = 20
"""Files to delete that are named before a run; a dry run lists all of them."""
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
