"""Connections that several pools have together: no more of them at once than a hub is to see from us.

Who wants to ask waits for a turn; there are as many turns as connections. Of two or more connections one is
never taken by what sends a body: a body may be waiting for bytes that another connection has to bring.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from types import TracebackType


class Resting(Protocol):
    """A pool that keeps connections at rest, and can do without them."""

    async def let_go(self) -> bool:
        """Close one connection that rests, and return when it is closed; False where none does."""
        ...


class SharedConnections:
    """At most so many connections, open or being opened, in all pools of one event loop."""

    def __init__(self, most: int) -> None:
        """Begin with none open."""
        self._most = most
        self._open = 0
        self._busy = 0
        self._sending = 0
        self._holders: Counter[asyncio.Task[object] | None] = Counter()
        self._waiters: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._pools: WeakSet[Resting] = WeakSet()

    @property
    def most(self) -> int:
        """How many there may be."""
        return self._most

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open

    def allow(self, most: int) -> None:
        """Allow more or fewer from now on; what is at work is not broken off."""
        self._most = most
        self._wake()

    async def trim(self) -> None:
        """Close what rests beyond what is allowed by now."""
        while self._open > self._most:
            for pool in list(self._pools):
                if await pool.let_go():
                    break
            else:
                return

    def join(self, pool: Resting) -> None:
        """Let `pool` open connections."""
        self._pools.add(pool)

    def turn(self, places: asyncio.Semaphore, *, sends: bool) -> Turn:
        """Return what to hold while a request is under way, besides one of the pool's own `places`."""
        return Turn(self, places, sends=sends)

    async def begin(self) -> None:
        """Count one more connection, for which one at rest may have to go. Only with a turn."""
        while self._open >= self._most:
            for pool in list(self._pools):
                if await pool.let_go():
                    break
            else:
                break  # fewer were allowed after the turn was given
        self._open += 1

    def ended(self) -> None:
        """Count one connection less."""
        self._open -= 1

    async def take(self, *, sends: bool) -> asyncio.Task[object] | None:
        """Wait for a turn, and return who has it."""
        task = asyncio.current_task()
        # Who asks the hub something about an answer that it is reading has a turn already.
        if not self._holders[task] and (self._waits_before(sends=sends) or not self._is_free(sends=sends)):
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((waiter, sends))
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._return(sends=sends)
                raise
        else:
            self._count(sends=sends)
        self._holders[task] += 1
        return task

    def give(self, task: asyncio.Task[object] | None, *, sends: bool) -> None:
        """Give a turn back."""
        self._holders[task] -= 1
        if not self._holders[task]:
            del self._holders[task]
        self._return(sends=sends)

    def _waits_before(self, *, sends: bool) -> bool:
        return any(sends or not one for waiter, one in self._waiters if not waiter.done())

    def _is_free(self, *, sends: bool) -> bool:
        return self._busy < self._most and not (sends and self._sending >= max(1, self._most - 1))

    def _count(self, *, sends: bool) -> None:
        self._busy += 1
        self._sending += sends

    def _return(self, *, sends: bool) -> None:
        self._busy -= 1
        self._sending -= sends
        self._wake()

    def _wake(self) -> None:
        kept: deque[tuple[asyncio.Future[None], bool]] = deque()
        while self._waiters and self._busy < self._most:
            waiter, sends = self._waiters.popleft()
            if waiter.done():
                continue
            if self._is_free(sends=sends):
                self._count(sends=sends)
                waiter.set_result(None)
            else:
                kept.append((waiter, sends))
        self._waiters.extendleft(reversed(kept))


class Turn:
    """A place in the pool, and a turn among all pools."""

    def __init__(self, shared: SharedConnections, places: asyncio.Semaphore, *, sends: bool) -> None:
        """Prepare; nothing is waited for yet."""
        self._shared = shared
        self._places = places
        self._sends = sends
        self._task: asyncio.Task[object] | None = None

    async def __aenter__(self) -> None:
        """Wait for both."""
        await self._places.acquire()
        try:
            self._task = await self._shared.take(sends=self._sends)
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give both back."""
        self._shared.give(self._task, sends=self._sends)
        self._places.release()
