"""Which part of which large file to fetch next. No I/O.

A few files are begun at once, for one upload seldom fills a link, and none of them may run dry. Beyond that
the one with most left comes first, until its upload has plenty ahead of it: the largest then go at the full
rate of a connection and the others share what is left, so that all end at about the same time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1024 * 1024
SMALL = MIB
"""Largest file, in bytes, that is fetched in one piece and kept in memory until it is written."""
FIRST_PART = MIB
"""Bytes in each of a file's first four parts: several connections bring them, and the upload begins early."""
SMALLEST_PART, LARGEST_PART = MIB, 16 * MIB
"""Below the first, a request's latency and its processor time cost more than what waits for a part gains."""
BROAD = 6
"""Files that are begun at once: one upload seldom fills a link."""
SHORT_LEAD = 4 * MIB
"""Bytes that every upload should have ahead of it before the largest gets more (measured: docs/adr/0004)."""
STEP = MIB // 4
"""Parts end at a multiple of this, as the marks of a partial file do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a file, `start` to `stop` (exclusive)."""

    path: str
    start: int
    stop: int


@dataclass(slots=True)
class Lane:
    """A large file that is being fetched: the ranges nobody fetches yet, and how far it was handed out."""

    path: str
    size: int
    gaps: deque[tuple[int, int]]
    sent: int = 0
    ahead: int = 0
    """Offset up to which everything is there or on its way."""


@dataclass(slots=True)
class Schedule:
    """Hand out parts.

    Attributes:
        part: Bytes in a part from now on; the first ones of a file are the smallest.
        lead: Bytes an upload should have ahead of it before another file is preferred.
        abreast: Files to bring in side by side.
        active: Most large files in flight when files may not pile up on disk; None for no limit.
        undivided: Whether the rest of a file is one part, because the source sends all of it anyway.
    """

    part: int = SMALLEST_PART
    lead: float = 24 * MIB
    abreast: int = 8
    active: int | None = None
    undivided: bool = False
    waiting: deque[Lane] = field(default_factory=deque)
    lanes: dict[str, Lane] = field(default_factory=dict)
    _growing: list[Lane] = field(default_factory=list)

    def add(self, path: str, size: int, gaps: Iterable[tuple[int, int]]) -> None:
        """Take in a large file; call in the order of preference, largest first.

        One without gaps is in flight already: there is nothing to fetch, but it is on the disk.
        """
        ranges = deque(gaps)
        ahead = ranges[0][0] if ranges else size
        lane = Lane(path, size, ranges, 0, ahead)
        self.lanes[path] = lane
        if ranges:
            self.waiting.append(lane)

    def next(self) -> Part | None:
        """Return the part of a large file that is needed most, None when there is nothing to hand out now."""
        lane = self._neediest() or self._start(2 * self.abreast) or self._nearest_to_its_end()
        return self._cut(lane) if lane else None

    def sent(self, path: str, position: int) -> None:
        """Say how far the upload of `path` has come."""
        if path in self.lanes:
            self.lanes[path].sent = position

    def drop(self, path: str) -> None:
        """Forget a file: it is done, or it failed."""
        lane = self.lanes.pop(path, None)
        if lane is not None:
            self._growing = [other for other in self._growing if other is not lane]
            self.waiting = deque(other for other in self.waiting if other is not lane)

    def _neediest(self) -> Lane | None:
        """Return the lane whose upload would run dry first, else the one with most left of those that may.

        A file is begun instead while few are, and when it has more left than that one.
        """
        if len(self._growing) < min(BROAD, self.abreast) and (lane := self._start(self.abreast)):
            return lane
        wanting = [lane for lane in self._growing if lane.gaps]
        lane = min(wanting, key=lambda one: one.ahead - one.sent, default=None)
        if lane is not None and lane.ahead - lane.sent < min(self.lead, SHORT_LEAD):
            return lane
        hungry = [lane for lane in wanting if lane.ahead - lane.sent < self.lead]
        lane = max(hungry, key=lambda one: one.size - one.ahead, default=None)
        if lane is None or (self.waiting and self.waiting[0].size > lane.size - lane.ahead):
            return self._start(self.abreast) or lane
        return lane

    def _start(self, most: int) -> Lane | None:
        """Begin the next file, unless so many are growing, or in flight, already."""
        if not self.waiting or len(self._growing) >= most:
            return None
        if self.active is not None and len(self.lanes) - len(self.waiting) >= self.active:
            return None
        lane = self.waiting.popleft()
        self._growing.append(lane)
        return lane

    def _nearest_to_its_end(self) -> Lane | None:
        unfinished = (lane for lane in self._growing if lane.gaps)
        return min(unfinished, key=lambda one: one.size - one.ahead, default=None)

    def _cut(self, lane: Lane) -> Part:
        """Cut the next part: small ones at first, so that the upload starts early and several feed it."""
        start, stop = lane.gaps.popleft()
        size = FIRST_PART if start < 4 * FIRST_PART else self.part
        end = stop if self.undivided else min(stop, start + size // STEP * STEP)
        if end < stop:
            lane.gaps.appendleft((end, stop))
        lane.ahead = lane.gaps[0][0] if lane.gaps else lane.size
        return Part(lane.path, start, end)
