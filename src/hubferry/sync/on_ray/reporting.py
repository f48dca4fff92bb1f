"""What a worker tells of its copy: a beat a second, sums instead of every piece."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hubferry.events import (
    BudgetSpent,
    Committed,
    Note,
    Planned,
    Progress,
    Resolved,
    Retrying,
    Standing,
    Waiting,
)
from hubferry.sync.on_ray.leased import ANSWER_SECONDS
from hubferry.sync.on_ray.messages import Beat
from hubferry.sync.on_ray.waiting import within

if TYPE_CHECKING:
    from hubferry.events import Direction, Event
    from hubferry.sync.on_ray.leased import LeasedKeeper
    from hubferry.sync.on_ray.messages import Wanted

_SECONDS = 1.0
_PASSED_ON = (Resolved, Retrying, Waiting, BudgetSpent, Committed, Note)
_MOST_EVENTS = 50
"""Of one beat: a hub that fails has much to say."""


class Reporter:
    """Listen to a copy, and report."""

    def __init__(self, desk: Any, ticket: int, part: int, keeper: LeasedKeeper) -> None:
        """Report to `desk`, an actor's handle, under a job's ticket and the part of it."""
        self._desk = desk
        self._ticket = ticket
        self._part = part
        self._keeper = keeper
        self._worker = secrets.token_hex(8)
        self._events: list[Event] = []
        self._moved: dict[Direction, int] = {"fetch": 0, "send": 0, "verify": 0}
        self._plan = (0, 0)
        self._told: Standing | None = None

    def hear(self, event: Event) -> None:
        """Take one event; the many that count bytes are summed."""
        if isinstance(event, Progress):
            self._moved[event.direction] += event.count
        elif isinstance(event, Planned):
            self._plan = (event.plan.fetch_bytes, event.plan.send_bytes)
        elif isinstance(event, _PASSED_ON) and len(self._events) < _MOST_EVENTS:
            self._events.append(event)

    async def run(self) -> None:
        """Report each second, and as soon as connections are needed, until cancelled."""
        while True:
            await self._beat(self._keeper.wanted())
            with suppress(TimeoutError):
                await within(_SECONDS, self._keeper.asked.wait())

    async def close(self) -> None:
        """Report a last time, and give back what was leased."""
        await self._beat({})

    async def _beat(self, wanted: dict[str, Wanted]) -> None:
        """Report; what could not be told is told with the next beat."""
        events = tuple(self._events)
        standing = Standing(self._moved["fetch"], self._plan[0], self._moved["send"], self._plan[1])
        told = events if standing == self._told else (*events, standing)
        beat = Beat(self._worker, self._ticket, self._part, told, wanted)
        try:
            given = await within(ANSWER_SECONDS, self._desk.beat.remote(beat))
        except Exception:  # noqa: BLE001 - of Ray's own, which is not imported here: the desk is away
            await self._keeper.follow()
            return
        del self._events[: len(events)]
        self._told = standing
        await self._keeper.take(given)
