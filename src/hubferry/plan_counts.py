"""How many files a plan sends, leaves, replaces and finds: in words, and as JSON takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.i18n import _
from hubferry.model import Action

if TYPE_CHECKING:
    from hubferry.model import Plan

_MOVING = (Action.INLINE, Action.SEND, Action.FETCH_SEND, Action.REUSE)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of files.

    Attributes:
        files: Of the source, as selected.
        here: Whole and verified on this machine already, and wanted; of a folder none are counted.
        same: The same at the destination already.
        stored: Whose content the destination's storage has under another name, or from an earlier run.
        replaced: Which take the place of another content at the destination.
        deleted: To be deleted at the destination.
        only_there: Which only the destination has, and keeps.
    """

    files: int
    here: int
    same: int
    stored: int
    replaced: int
    deleted: int
    only_there: int


def of(plan: Plan) -> Counts:
    """Count a plan's files."""
    is_fetch = plan.destination.ref == plan.source.ref
    kept = [step for step in plan.steps if step.action is not Action.DELETE]
    wanted = kept if is_fetch else [step for step in kept if step.action in _MOVING]
    is_folder = plan.source.ref.hub == "dir" and not is_fetch
    return Counts(
        files=len(kept),
        here=0 if is_folder else sum(step.cached for step in wanted),
        same=0 if is_fetch else sum(not step.fetches for step in plan.of(Action.SAME)),
        stored=sum(not step.fetches for step in plan.of(Action.REUSE)),
        replaced=sum(step.replaces for step in plan.of(*_MOVING)),
        deleted=len(plan.of(Action.DELETE)),
        only_there=len(plan.only_there),
    )


def plan_words(counts: Counts) -> list[str]:
    """Return what a plan comes to besides bytes, leaving out what it has none of."""
    words = (
        (counts.here, _("{count} here already")),
        (counts.same, _("{count} the same")),
        (counts.stored, _("{count} stored there already")),
        (counts.replaced, _("{count} to replace")),
        (counts.deleted, _("{count} to delete")),
        (counts.only_there, _("{count} only at the destination")),
    )
    return [sentence.format(count=count) for count, sentence in words if count]


def report_words(counts: Counts) -> list[str]:
    """Return what a run came to besides bytes, leaving out what it had none of."""
    words = (
        (counts.same, _("{count} the same before")),
        (counts.replaced, _("{count} replaced")),
        (counts.deleted, _("{count} deleted")),
    )
    return [sentence.format(count=count) for count, sentence in words if count]


def document(counts: Counts) -> dict[str, object]:
    """Return the numbers as JSON takes them."""
    return {
        "files": counts.files,
        "here": counts.here,
        "same": counts.same,
        "stored": counts.stored,
        "replaced": counts.replaced,
        "deleted": counts.deleted,
        "only_at_destination": counts.only_there,
    }
