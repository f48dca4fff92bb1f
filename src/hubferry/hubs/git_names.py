"""Names that no hub can keep, since each is a git repository. Pure.

Fact: git's own `verify_path` refuses `.git` in any case, and what a file system may take for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.findings import Finding, refused
from hubferry.i18n import _
from hubferry.model import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.model import Plan

_OWN = frozenset({".git", "git~1"})


def refused_names(plan: Plan) -> Iterator[Finding]:
    """Find the files of a plan that a commit cannot name."""
    for step in plan.steps:
        path = step.file.path
        if step.action in (Action.SAME, Action.DELETE) or "git" not in path.lower():
            continue
        if any(part.lower() in _OWN for part in path.split("/")):
            message = _("{path}: git keeps that name to itself, and so does every hub").format(path=path)
            hint = _("leave it out with --exclude '{path}'").format(path=path)
            yield refused("name", UsageError(message, side="destination", path=path, hint=hint))
