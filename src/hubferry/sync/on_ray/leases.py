"""Who of many workers may have how many of a hub's connections: never more in sum than there are. No I/O."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.sync.on_ray.messages import Wanted

SILENT_SECONDS = 20.0
"""After which a worker that says nothing has gone, with its connections."""
_LEAST = 2
"""Whoever has that many keeps them to its end: a file that is sent while it arrives needs both."""


class Leases:
    """What each worker may have. Nothing here is kept: beats say it again to whoever begins anew."""

    def __init__(self, settled_at: float = -math.inf) -> None:
        """Begin without workers.

        Args:
            settled_at: Until then nobody is given more than it has: not all that have some were heard yet.
        """
        self._settled_at = settled_at
        self._given: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._heard: dict[str, float] = {}

    def renew(self, worker: str, wanted: Mapping[str, Wanted], now: float) -> dict[str, int]:
        """Return how many connections a worker may have by hub, after what it says it has; 0 is to wait."""
        self._heard[worker] = now
        self._forget_silent(now)
        for hub in [hub for hub in self._given if hub not in wanted]:
            self._given[hub].pop(worker, None)
        return {hub: self._share(hub, worker, one, now) for hub, one in wanted.items()}

    def leave(self, worker: str) -> None:
        """Take back what a worker had."""
        self._heard.pop(worker, None)
        for given in self._given.values():
            given.pop(worker, None)

    def _share(self, hub: str, worker: str, wanted: Wanted, now: float) -> int:
        given = self._given[hub]
        has = given[worker] = wanted.has
        if now < self._settled_at:
            return wanted.may
        fair = max(1, wanted.most // len(given))
        free = wanted.most - sum(count for other, count in given.items() if other != worker)
        may = min(max(fair, min(has, _LEAST)), max(free, 0))
        # What is open above that counts until it is closed.
        given[worker] = max(may, wanted.open)
        return may

    def _forget_silent(self, now: float) -> None:
        for worker in [one for one, heard in self._heard.items() if now - heard > SILENT_SECONDS]:
            self.leave(worker)
