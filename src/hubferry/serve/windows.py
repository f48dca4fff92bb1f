"""What a strict hub counts: requests and commits in windows of time, and listings that lag behind."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FEW = 1000
"""Windows among which none is looked for that has ended."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window.

    Attributes:
        name: What is counted.
        most: How many a window allows.
        left: How many are still allowed.
        wait: Whole seconds until the next window begins.
        exceeded: Whether the one just counted was one too many.
    """

    name: str
    most: int
    left: int
    wait: int
    exceeded: bool


class Windows:
    """Count events in fixed windows, each beginning with the first event after the one before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[float, int]] = {}
        self._most_open = _FEW

    def count(self, name: str, whose: str, most: int, seconds: float) -> Allowance:
        """Count one event of somebody; one too many is not counted."""
        with self._lock:
            now = self._clock()
            end, used = self._open.get((name, whose), (now + seconds, 0))
            if now >= end:
                end, used = now + seconds, 0
            exceeded = used >= most
            used += not exceeded
            self._open[name, whose] = end, used
            if len(self._open) > self._most_open:  # anybody may make up who they are
                self._open = {one: window for one, window in self._open.items() if window[0] > now}
                self._most_open = max(_FEW, 2 * len(self._open))
        return Allowance(name, most, most - used, max(1, math.ceil(end - now)), exceeded)


@dataclass(slots=True)
class Memory:
    """What a hub remembers from one request to the next, apart from its store.

    Attributes:
        windows: Requests and commits so far.
        commits: The number of the next commit that is tried.
        listings: The number of the next listing that is asked for.
        stale: Repository to the commit that its default branch still shows, and how often.
    """

    windows: Windows
    commits: Iterator[int] = field(default_factory=lambda: count(1))
    listings: Iterator[int] = field(default_factory=lambda: count(1))
    stale: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
