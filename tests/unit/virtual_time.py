"""Time that passes only when everybody waits for it: hours of patience in no time, and no sleep decides."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from hubferry.patience import Clock

_TURNS = 20
"""Turns of the loop after which whoever is not asleep has got to where it sleeps."""


class VirtualTime:
    """A clock whose hands jump to whoever wakes next."""

    def __init__(self, start: float = 1000.0) -> None:
        self.time = start
        self._number = itertools.count()
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self.clock = Clock(now=lambda: self.time, sleep=self.sleep, wall=lambda: 1_700_000_000 + self.time)

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.time + max(0.0, seconds), next(self._number), awake))
        await awake

    async def run(self, *work):
        """Run everything to its end; return what came of each, errors too."""
        everything = asyncio.gather(*work, return_exceptions=True)
        while not everything.done():
            for _turn in range(_TURNS):
                await asyncio.sleep(0)
            if self._asleep:
                at, _number, awake = heapq.heappop(self._asleep)
                self.time = max(self.time, at)
                if not awake.done():
                    awake.set_result(None)
        return everything.result()
