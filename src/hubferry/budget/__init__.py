"""What a hub is asked for by everything that runs here together: connections, commits an hour, requests.

What `config.toml` or a mirror file says of a hub (`concurrency`, `commits_per_hour`) is heeded by all
sessions of this process, and commits also by every other process of this account. What a hub says itself of
its limits is believed by all. Whoever is held back waits, and whoever listens is told; waiting is no failure.

    HubBudget (one a hub) ─► connections: wire.sharing.SharedConnections, one an event loop
                          ─► commits:     Keeper, usually commits.StateKeeper
                          ─► requests:    requests.RequestBudget, one a login
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from hubferry.budget.commits import StateKeeper
from hubferry.budget.requests import RequestBudget
from hubferry.events import BudgetSpent
from hubferry.i18n import ngettext
from hubferry.patience import CLOCK
from hubferry.wire.sharing import SharedConnections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.events import Listener
    from hubferry.patience import Clock

_TELL_SECONDS = 1.0
"""A shorter wait is not worth a word."""
_LONGEST_SLEEP = 60.0
"""Seconds after which to look again: others may have had their commits refused, or a clock been set."""


class Keeper(Protocol):
    """Who counts for all that run together: in this process by a file, under Ray by an actor."""

    async def reserve_commit(self, hub: str, per_hour: int) -> float:
        """Count one commit and return 0; where that would be too many, return the seconds until it is not."""
        ...

    def connections(self, hub: str, most: int) -> int:
        """Return how many of `most` connections this process may have now; 0 until it knows."""
        ...


_keeper: Keeper = StateKeeper()


def use(keeper: Keeper) -> None:
    """Let another one count from now on."""
    global _keeper  # noqa: PLW0603 - one a process, as what is counted is
    _keeper = keeper


class HubBudget:
    """What may be asked of one hub; everybody in this process who asks it has the same one."""

    def __init__(self, endpoint: str, clock: Clock = CLOCK) -> None:
        """Begin without limits."""
        self.endpoint = endpoint
        self.name = endpoint.partition("://")[2]
        self.commits_per_hour: int | None = None
        self._concurrency: int | None = None
        self._clock = clock
        self._shared: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedConnections] = WeakKeyDictionary()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._requests: dict[int, RequestBudget] = {}
        self._listeners: list[Listener] = []
        self._resumes_at = 0.0

    @property
    def open(self) -> int:
        """Connections of this process, as far as they are counted."""
        return sum(shared.open for shared in self._shared.values())

    @property
    def most(self) -> int | None:
        """Connections of everybody together at most, None for no limit."""
        return self._concurrency

    async def trim(self) -> None:
        """Close connections at rest beyond what is allowed by now."""
        shared = self._shared.get(asyncio.get_running_loop())
        if shared is not None:
            await shared.trim()

    @property
    def concurrency(self) -> int | None:
        """Connections of this process at most, None for no limit."""
        return None if self._concurrency is None else _keeper.connections(self.endpoint, self._concurrency)

    def limit(self, name: str, concurrency: int | None, commits_per_hour: int | None) -> None:
        """Take what a file says of the hub that it calls `name`; where several speak of one, the least."""
        self.name = name
        self._concurrency = _least(self._concurrency, concurrency)
        self.commits_per_hour = _least(self.commits_per_hour, commits_per_hour)
        self.adjust()

    def adjust(self) -> None:
        """Let as many connections be open as the keeper allows by now."""
        most = self.concurrency
        if most is not None:
            for shared in self._shared.values():
                shared.allow(most)

    @property
    def connections(self) -> SharedConnections | None:
        """What the running event loop's clients open connections by; None where there is no limit."""
        most = self.concurrency
        if most is None:
            return None
        loop = asyncio.get_running_loop()
        shared = self._shared.get(loop)
        if shared is None:
            shared = self._shared[loop] = SharedConnections(most)
        return shared

    def requests(self, token: str | None) -> RequestBudget:
        """Return what is known of a login's requests; the token is not kept."""
        key = hash(token)
        found = self._requests.get(key)
        if found is None:
            found = self._requests[key] = RequestBudget(self._clock)
            self._share()
        return found

    @contextmanager
    def joined(self, listen: Listener) -> Iterator[None]:
        """Count a session as one of those that share the budget; it hears when requests are held back."""
        self._listeners.append(listen)
        self._share()
        try:
            yield
        finally:
            self._listeners.remove(listen)
            self._share()

    def _share(self) -> None:
        for requests in self._requests.values():
            requests.shared = len(self._listeners) > 1

    async def commit(self, listen: Listener) -> float:
        """Return when one more commit may be made, and count it; how many seconds were waited for that.

        Args:
            listen: Hears of the wait.
        """
        per_hour = self.commits_per_hour
        if per_hour is None:
            return 0.0
        begun = self._clock.now()
        turns = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        if turns.locked():
            self._tell(listen, per_hour, self._resumes_at)
        async with turns:  # who came first goes first
            told = False
            while (seconds := await _keeper.reserve_commit(self.endpoint, per_hour)) > 0:
                self._resumes_at = self._clock.wall() + seconds
                if not told:
                    told = True
                    self._tell(listen, per_hour, self._resumes_at)
                await self._clock.sleep(min(seconds, _LONGEST_SLEEP))
        return self._clock.now() - begun

    def _tell(self, listen: Listener, per_hour: int, until: float) -> None:
        seconds = until - self._clock.wall()
        if seconds >= _TELL_SECONDS:
            reason = ngettext("{count} commit an hour", "{count} commits an hour", per_hour)
            listen(BudgetSpent(self.name, reason.format(count=per_hour), seconds, until))

    def tell(self, reason: str, seconds: float) -> None:
        """Tell all sessions that requests are held back."""
        if seconds >= _TELL_SECONDS:
            for listen in tuple(self._listeners):
                listen(BudgetSpent(self.name, reason, seconds, self._clock.wall() + seconds))


_budgets: WeakValueDictionary[str, HubBudget] = WeakValueDictionary()


def of(endpoint: str) -> HubBudget:
    """Return the budget of a hub: one in this process, for as long as somebody holds it."""
    key = endpoint.rstrip("/")
    found = _budgets.get(key)
    if found is None:
        found = _budgets[key] = HubBudget(key)
    return found


def limited() -> list[HubBudget]:
    """Return the budgets of hubs whose connections are counted."""
    return [budget for budget in list(_budgets.values()) if budget.most is not None]


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
