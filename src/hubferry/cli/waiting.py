"""Say what a run waits for, why and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import units
from hubferry.cli import output
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.events import BudgetSpent, Retrying


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
