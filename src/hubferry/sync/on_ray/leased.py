"""A worker's side of the budgets: what the desk leases to it, and what it does when nobody answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hubferry import budget
from hubferry.budget.commits import StateKeeper
from hubferry.sync.on_ray.messages import Wanted
from hubferry.sync.on_ray.waiting import within

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_SECONDS = 5.0
"""For the desk to answer; it only counts."""
_AWAY_SECONDS = 10.0
"""Without an answer, after which a worker that was given no connection yet takes its even share."""
_COMMIT_SECONDS = 30.0
"""Without an answer, after which commits are counted here, with an even share of them."""
_AGAIN_SECONDS = 1.0


class LeasedKeeper:
    """Count with all workers of a run, by way of its desk; see `budget.Keeper`."""

    def __init__(self, desk: Any, at_once: int) -> None:
        """Ask `desk`, an actor's handle; `at_once` is how many share while it does not answer."""
        self._desk = desk
        self._at_once = max(1, at_once)
        self._given: dict[str, int] = {}
        self._answered_at = time.monotonic()
        self._alone = StateKeeper()
        self.asked = asyncio.Event()
        """Set when somebody needs connections of a hub for the first time: that need not wait for a beat."""

    def connections(self, hub: str, most: int) -> int:
        """Return what was leased; see `budget.Keeper.connections`."""
        given = self._given.get(hub)
        if given is None:
            self._given[hub] = given = 0
            self.asked.set()
        if not given and time.monotonic() - self._answered_at > _AWAY_SECONDS:
            return max(1, most // self._at_once)
        return given

    def wanted(self) -> dict[str, Wanted]:
        """Return what to ask the desk for."""
        self.asked.clear()
        return {
            one.endpoint: Wanted(one.most or 0, self._given.get(one.endpoint, 0), one.open)
            for one in budget.limited()
        }

    async def take(self, given: Mapping[str, int]) -> None:
        """Take what the desk has leased."""
        self._answered_at = time.monotonic()
        self._given.update(given)
        await self.follow()

    @staticmethod
    async def follow() -> None:
        """Let connections be opened and closed by what is allowed by now."""
        for one in budget.limited():
            one.adjust()
            await one.trim()

    async def reserve_commit(self, hub: str, per_hour: int) -> float:
        """Count one commit; see `budget.Keeper.reserve_commit`."""
        since = time.monotonic()
        while time.monotonic() - since < _COMMIT_SECONDS:
            try:
                asked = self._desk.reserve_commit.remote(hub, per_hour)
                seconds: float = await within(ANSWER_SECONDS, asked)
            except Exception:  # noqa: BLE001 - of Ray's own, which is not imported here: the desk is away
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return seconds
        return await self._alone.reserve_commit(hub, max(1, per_hour // self._at_once))
