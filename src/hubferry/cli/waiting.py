"""Say what a run waits for, why and until when, and not too often."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hubferry import units
from hubferry.cli import output
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.events import BudgetSpent, Retrying

SENTENCE_SECONDS = 30.0
"""Between two sentences about waits where no line can be drawn anew."""


class Spaced:
    """Let waits of one kind be told only so often: many files may wait for one hub."""

    def __init__(self, seconds: float) -> None:
        """Let so many seconds pass between two."""
        self._seconds = seconds
        self._told: dict[str, float] = {}

    def may_tell(self, event: Retrying) -> bool:
        """Return whether to tell of a wait; one of another kind is always news."""
        begun = event.until - event.seconds
        if begun - self._told.get(event.kind, -math.inf) < self._seconds:
            return False
        self._told[event.kind] = begun
        return True


def waiting_words(event: Retrying, left: float | None = None) -> str:
    """Return what is waited for, why and until when; `left` is the seconds of it, the whole wait if None."""
    now = event.until - (event.seconds if left is None else left)
    return _("waiting until {clock} ({time}), then retry {number}: {what}: {reason}").format(
        clock=units.clock(event.until, now, seconds=True),
        time=output.duration(event.seconds if left is None else left),
        number=event.attempt,
        what=event.what,
        reason=event.reason,
    )


def budget_words(event: BudgetSpent) -> str:
    """Return which budget is used up, and when the run goes on."""
    clock = units.clock(event.until, event.until - event.seconds, seconds=True)
    return _("the budget of {hub}: {reason}; goes on at {clock}").format(
        hub=event.hub, reason=event.reason, clock=clock
    )
