"""What a person reads of tags, branches and pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cli.output import visible
from hubferry.i18n import _
from hubferry.plan_words import some

if TYPE_CHECKING:
    from hubferry.model import Plan
    from hubferry.results import Report

_MOST_NAMES = 8
"""Tags that a report names."""


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


def pull_lines(report: Report) -> list[str]:
    """Return where the change is proposed, nothing where it was made."""
    pull = report.pull_request
    if pull is None:
        return []
    return [_("pull request {number}: {url}").format(number=pull.number, url=pull.url)]
