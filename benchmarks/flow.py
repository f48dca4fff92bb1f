"""Bytes that pass at the rate of a link: one hub's side of it, and one direction of one connection."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from benchmarks.links import Bucket, Rates

if TYPE_CHECKING:
    from collections.abc import Callable

_SLICE_SECONDS = 0.010
_SMALLEST_SLICE = 4096
_AT_ONCE = 0.001
"""Seconds for which no timer is worth setting."""

_LATE = 0.1
"""Seconds that a timer may be late without lowering the rate."""


class Timer(Protocol):
    """What can be taken back."""

    def cancel(self) -> None:
        """Take it back."""


class Clock(Protocol):
    """The part of an event loop that a flow needs."""

    def time(self) -> float:
        """Return the seconds on the loop's clock."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call `callback` at a moment of that clock."""


class Line:
    """One hub's side of a link: the buckets all connections share, and what has passed."""

    def __init__(self) -> None:
        """Begin without a limit."""
        self.received = 0
        self.sent = 0
        self.shape(Rates())

    @property
    def limited(self) -> bool:
        """Whether there is a rate to keep."""
        return self.rates.total is not None

    def shape(self, rates: Rates) -> None:
        """Take other rates, for connections that are opened from now on."""
        self.rates = rates
        self.shared_in = Bucket(rates.total)
        self.shared_out = Bucket(rates.total)


class Flow:
    """Bytes on their way in one direction of one connection, in order.

    Attributes:
        held: Bytes that wait for their moment.
        blocked: Set while the receiver takes nothing.
        changed: Called after each delivery.
    """

    def __init__(
        self, rates: Rates, shared: Bucket, clock: Clock, deliver: Callable[[bytes | memoryview], None]
    ) -> None:
        """Hand what was pushed to `deliver` when the own rate and the `shared` one let it pass."""
        self._open = rates.total is None
        self._own = Bucket(rates.connection)
        self._shared = shared
        self._deliver = deliver
        self._clock = clock
        self._timer: Timer | None = None
        self._pieces: deque[memoryview] = deque()
        self._slice = max(_SMALLEST_SLICE, int(_SLICE_SECONDS * (rates.connection or rates.total or 1e9)))
        self.held = 0
        self.blocked = False
        self.changed: Callable[[], None] = lambda: None

    def push(self, data: bytes) -> None:
        """Take bytes in."""
        if self._open and not self._pieces and not self.blocked:
            self._deliver(data)
            return
        self.held += len(data)
        view = memoryview(data)
        idle = not self._pieces
        self._pieces.extend(view[start : start + self._slice] for start in range(0, len(data), self._slice))
        if idle and self._timer is None:
            self._next(0.0)

    def unblock(self) -> None:
        """Go on after `blocked` was set."""
        self.blocked = False
        if self._timer is None:
            self._next(0.0)

    def clear(self) -> None:
        """Forget what is held."""
        self._pieces.clear()
        self.held = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self, credit: float) -> None:
        while self._pieces and not self.blocked:
            now = self._clock.time()
            count = len(self._pieces[0])
            moment = max(self._own.take(count, now, credit), self._shared.take(count, now, _LATE))
            if moment - now > _AT_ONCE:
                self._timer = self._clock.call_at(moment, self._arrive)
                return
            self._pass()
            credit = _LATE

    def _arrive(self) -> None:
        self._timer = None
        self._pass()
        self._next(_LATE)

    def _pass(self) -> None:
        piece = self._pieces.popleft()
        self.held -= len(piece)
        self._deliver(piece)
        self.changed()
