"""How many uploads go side by side: many, unless the link is so thin that none would end soon. No I/O.

A run that is interrupted should have finished something. Where each of the uploads on their way would take
longer than a minute, half of them are put back, unless much would be sent again for that, and the others must
go as fast as all did together: then the link is what is thin, and the same follows again, down to two. Where
they do not, it was latency or a limit of each connection, and everything is as before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

HORIZON = 60.0
"""Seconds in which an upload should end."""
FEWEST = 2
"""As many keep a link busy while one of them waits for an answer."""
WINDOW = 2.0
"""Seconds over which a rate is measured."""
_THIN_WINDOWS = 2
"""Windows in a row that must show it before anything is put back."""
_AS_FAST = 0.95
"""What part of the rate fewer have to keep."""
_LOST_SECONDS = 8.0
"""Most that may be sent again of one that is put back, in seconds of the link."""
_SHARE = 0.5
"""What part of its proportional share one more has to bring."""
_AGAIN = 60.0
"""Seconds after which it is tried whether one more brings more, twice as many each time it does not: what it
has sent by then may have to be sent again."""
_JUMP = 2.0
"""How many times as fast the link has to be for that to be tried at once."""
_NEVER_AGAIN = 600.0
"""Seconds after which it is tried once more whether fewer are as fast."""


@dataclass(eq=False, slots=True)
class Sending:
    """An upload: how much it is in all, and how much of that this attempt has sent."""

    size: int
    sent: int = 0
    put_back: bool = False

    @property
    def left(self) -> int:
        """Bytes that are yet to be sent."""
        return max(0, self.size - self.sent)


class Abreast:
    """Decide which uploads go, by what has moved. Time is what the caller says it is."""

    def __init__(self, most: int) -> None:
        """Let `most` go until the link is found to be thin."""
        self.most = most
        self.limit = most
        self.rate = 0.0
        self._moved = 0
        self._since: float | None = None
        self._thin = 0
        self._best = 0.0
        self._trial: tuple[int, float] | None = None
        self._settling = False
        self._next_trial = -math.inf
        self._pause = _AGAIN

    def choose(self, waiting: Collection[Sending], active: int) -> Sending | None:
        """Return which of those that wait begins now, in the order in which they asked; None for none yet."""
        if not waiting or active >= self.most:
            return None
        if self.limit >= self.most:
            return next(iter(waiting))
        soon = [one for one in waiting if one.size * (active + 1) <= HORIZON * self.rate]
        if soon:
            return max(soon, key=lambda one: one.size)
        return min(waiting, key=lambda one: one.size) if active < self.limit else None

    def moved(self, count: int, now: float, active: Sequence[Sending]) -> Sequence[Sending]:
        """Count bytes; at the end of a window return those that are to be put back, mostly none."""
        if self._since is None:
            self._since = now  # what came before the first byte says nothing
        self._moved += count
        elapsed = now - self._since
        if elapsed < WINDOW:
            return ()
        self.rate, self._moved, self._since = self._moved / elapsed, 0, now
        if self._settling:  # what the connections had in store has left only now
            self._settling = False
            return ()
        if self._trial is not None:
            self._judge(now)
        return self._fewer(now, active) if self._trial is None else ()

    def _judge(self, now: float) -> None:
        """End a trial: of fewer, that were to be as fast, or of one more, that was to bring something."""
        (before, rate), self._trial = self._trial or (0, 0.0), None
        fewer = self.limit < before
        if fewer and self.rate < self._best * _AS_FAST:
            self.limit, self._next_trial = self.most, now + _NEVER_AGAIN
        elif fewer:
            self._next_trial = now + self._pause
        elif self.rate < rate * (1 + (self.limit / before - 1) * _SHARE):
            self._pause *= 2
            self.limit, self._next_trial = before, now + self._pause
        else:
            self._pause = _AGAIN

    def _fewer(self, now: float, active: Sequence[Sending]) -> Sequence[Sending]:
        """Begin a trial where one is due; return what it puts back."""
        if self.limit < self.most and (now >= self._next_trial or self.rate > self._best * _JUMP):
            self._best = max(self._best, self.rate)
            self._try(self.limit + 1)
            return ()
        if not self._is_thin(active) or (self.limit >= self.most and now < self._next_trial):
            self._thin = 0
            return ()
        self._thin += 1
        if self._thin < _THIN_WINDOWS:
            return ()
        self._thin = 0
        if self.limit >= self.most:
            self._best = self.rate
        self._best = max(self._best, self.rate)
        limit = max(FEWEST, len(active) // 2)
        losing = [one for one in active if one.sent > self.rate * _LOST_SECONDS]
        others = sorted((one for one in active if one not in losing), key=lambda one: one.left)
        doomed = others[max(0, limit - len(losing)) :]
        if not doomed:
            return ()
        self._try(limit)
        return doomed

    def _try(self, limit: int) -> None:
        self._trial, self.limit, self._settling = (self.limit, self.rate), limit, True

    def _is_thin(self, active: Sequence[Sending]) -> bool:
        if len(active) <= FEWEST:
            return False
        return min(one.left for one in active) * len(active) > HORIZON * self.rate
