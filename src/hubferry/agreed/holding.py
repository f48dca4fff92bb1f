"""Make lines of a plan, and hold today's plan against those of then. No I/O."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hubferry.agreed.document import Line, Place, PlanFile
from hubferry.commits import commit_of, listing_digest_of, short
from hubferry.errors import IntegrityError, StalePlanError
from hubferry.i18n import _
from hubferry.model import Action

if TYPE_CHECKING:
    from typing import Literal

    from hubferry.errors import Side
    from hubferry.model import Plan, Revision, Step

_SHOWN = 3


def lines_of(plan: Plan) -> tuple[Line, ...]:
    """Return a line for each file of a plan: what becomes of it, and not how its bytes get there."""
    return tuple(
        Line(
            step.file.path, _action(step), step.file.size, step.sha256 or step.file.sha256, step.file.git_sha1
        )
        for step in sorted(plan.steps, key=lambda step: step.file.path)
    )


def _action(step: Step) -> Literal["put", "same", "delete"]:
    if step.action is Action.SAME:
        return "same"
    return "delete" if step.action is Action.DELETE else "put"


def place_of(revision: Revision, ref: str, endpoint: str | None) -> Place:
    """Return one side as it stands."""
    hub = revision.ref.hub
    commit = revision.commit if revision.exists else ""
    return Place(ref, endpoint, revision.exists, commit_of(hub, commit), listing_digest_of(hub, commit))


def hold(agreed: PlanFile, plan: Plan) -> None:
    """Return where today's plan does what was agreed, and nothing else.

    Raises:
        StalePlanError: A side has moved since.
        IntegrityError: The sides are as they were, and the plan says something else of a file.
    """
    _hold_side(agreed.source, plan.source, "source")
    _hold_side(agreed.destination, plan.destination, "destination")
    then, now = ({one.path: one for one in lines} for lines in (agreed.files, lines_of(plan)))
    wrong = sorted(path for path in {*then, *now} if not _same(then.get(path), now.get(path)))
    if wrong:
        message = _("the plan is not about what is there: {paths}")
        named = ", ".join(wrong[:_SHOWN]) + (", …" if len(wrong) > _SHOWN else "")
        raise IntegrityError(message.format(paths=named), path=wrong[0], hint=_again(agreed))


def _hold_side(then: Place, now: Revision, side: Side) -> None:
    today = place_of(now, then.ref, then.endpoint)
    if today == then:
        return
    words = {"ref": then.ref, "then": _state(then), "now": _state(today)}
    message = _("{ref} has moved since the plan was made: it was at {then}, and is at {now}")
    if not then.exists:
        message = _("{ref} is there by now; it was not when the plan was made")
    elif not today.exists:
        message = _("{ref} is gone since the plan was made")
    raise StalePlanError(message.format(**words), side=side, hint=_("make a new plan: --plan-out FILE"))


def _state(place: Place) -> str:
    return short(place.commit or place.listing_digest or "")


def _same(then: Line | None, now: Line | None) -> bool:
    """Return whether two lines are about the same content; what only one of them knows is no difference."""
    if then is None or now is None:
        return False
    pairs = ((then.size, now.size), (then.sha256, now.sha256), (then.git_sha1, now.git_sha1))
    return then.action == now.action and all(
        ours == theirs for ours, theirs in pairs if ours is not None and theirs is not None
    )


def _again(agreed: PlanFile) -> str:
    return shlex.join(["hubferry", "copy", agreed.source.ref, agreed.destination.ref, "--plan-out", "FILE"])
