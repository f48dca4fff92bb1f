"""The actor that all workers of a run speak to: it leases connections, counts commits, passes on events.

It may die at any time: Ray starts it again, workers tell it anew what they have, and go on meanwhile with
what they were given. Commits are counted in the state directory of the driver's account, where they last.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from hubferry.budget.commits import StateKeeper
from hubferry.sync.on_ray.leases import Leases

if TYPE_CHECKING:
    from hubferry.events import Event
    from hubferry.sync.on_ray.messages import Beat

Told = tuple[int, int, "Event"]
"""Ticket of a job, part of it, and what happened there."""
_SETTLE_SECONDS = 4.0
"""In which every worker that lives has been heard: some beats."""
_MOST_EVENTS = 10_000
"""Kept for a driver that does not come to collect them; the oldest go."""


class Desk:
    """What the actor does; it knows nothing of Ray."""

    def __init__(self, *, again: bool = False) -> None:
        """Begin without workers; `again` after one has died whose workers are still there."""
        self._leases = Leases(time.monotonic() + _SETTLE_SECONDS) if again else Leases()
        self._keeper = StateKeeper()
        self._events: deque[Told] = deque(maxlen=_MOST_EVENTS)

    def beat(self, beat: Beat) -> dict[str, int]:
        """Take a worker's sign of life, and return how many connections it may have by hub."""
        self._events.extend((beat.ticket, beat.part, event) for event in beat.events)
        if beat.wanted:
            return self._leases.renew(beat.worker, beat.wanted, time.monotonic())
        self._leases.leave(beat.worker)
        return {}

    def reserve_commit(self, hub: str, per_hour: int) -> float:
        """Count one commit; see `budget.Keeper`."""
        return self._keeper.reserve_now(hub, per_hour)

    def collect(self) -> list[Told]:
        """Return what happened since the last time, by the driver's tickets."""
        events = list(self._events)
        self._events.clear()
        return events
