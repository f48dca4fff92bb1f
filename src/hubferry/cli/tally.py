"""Count what the core tells: totals, files in flight, rates. No terminal in here."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from hubferry.events import (
    Direction,
    FileDone,
    FileStarted,
    Planned,
    Progress,
    Retrying,
    Standing,
    VolumesPlanned,
)
from hubferry.model import Action

if TYPE_CHECKING:
    from hubferry.events import Event
    from hubferry.model import Plan, Step

_WINDOW = 10.0
"""Seconds over which a rate is taken: long enough to be steady, short enough to notice a stall."""


@dataclass(slots=True)
class Meter:
    """Bytes that move one way.

    Attributes:
        total: Bytes expected.
        done: Bytes moved.
    """

    total: int = 0
    done: int = 0
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def move(self, count: int) -> None:
        """Count bytes; those that have to be moved again, and were here before, are expected now."""
        self.done += count
        if self.done < 0:
            self.total -= self.done
            self.done = 0

    def sample(self, now: float) -> None:
        """Remember where it stands at `now`, in seconds of a steady clock."""
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and now - self.samples[0][0] > _WINDOW:  # noqa: PLR2004  # a rate needs two
            self.samples.popleft()

    @property
    def rate(self) -> float:
        """Bytes a second over the last samples."""
        if len(self.samples) < 2:  # noqa: PLR2004  # a rate needs two
            return 0.0
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return max(0.0, (after - before) / (end - start)) if end > start else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the rest has moved, None while nothing moves."""
        rest = self.total - self.done
        if rest <= 0:
            return 0.0
        return rest / self.rate if self.rate else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one drawing of the progress needs, taken at one moment."""

    fetch: Meter
    send: Meter
    files_done: int
    files: int
    flight: tuple[tuple[Direction, str, Meter], ...]
    waiting: Retrying | None = None
    of_repositories: bool = False
    """Whether what is counted, and in flight, are whole repositories."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until both directions are done, None while one of them stands still."""
        both = (self.fetch.seconds_left, self.send.seconds_left)
        known = [seconds for seconds in both if seconds is not None]
        return max(known) if len(known) == len(both) else None


def content_of(step: Step) -> str:
    """Return what two files of the same content have in common."""
    return step.file.sha256 or step.file.git_sha1 or step.file.path


class Tally:
    """Take every event at the cost of a dictionary look-up; give a snapshot when asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._meters: dict[Direction, Meter] = {"fetch": Meter(), "send": Meter()}
        self._flight: dict[tuple[Direction, str], Meter] = {}
        self._last_leg: dict[str, Direction] = {}
        self._content: dict[str, str] = {}
        self._names: Counter[str] = Counter()
        self._files_done = 0
        self._waiting: Retrying | None = None

    def take(self, event: Event) -> None:
        """Count one event; those that move no bytes change nothing."""
        with self._lock:
            if isinstance(event, Progress):
                self._meters[event.direction].move(event.count)
                meter = self._flight.get((event.direction, event.path))
                if meter is not None:
                    meter.done += event.count
            elif isinstance(event, FileStarted):
                self._start(event)
            elif isinstance(event, FileDone):
                self._flight.pop((event.direction, event.path), None)
                if self._last_leg.get(event.path) == event.direction:
                    self._files_done += self._names[self._content[event.path]]
            elif isinstance(event, Planned):
                self._expect(event.plan)
            elif isinstance(event, Standing):
                self._stand(event)
            elif isinstance(event, VolumesPlanned):
                self._expect_volumes(event)
            elif isinstance(event, Retrying) and (not self._waiting or event.until > self._waiting.until):
                self._waiting = event

    def _expect(self, plan: Plan) -> None:
        """Files inside a commit have no leg of their own to the destination: they are done when fetched."""
        blobs = plan.of(Action.SEND, Action.FETCH_SEND)
        fetching = [step for step in plan.steps if step.fetches]
        self._last_leg = {step.file.path: "fetch" for step in fetching}
        self._last_leg |= {step.file.path: "send" for step in blobs}
        # Content that occurs twice moves once, under either of its names.
        self._content = {step.file.path: content_of(step) for step in (*fetching, *blobs)}
        self._names = Counter(self._content.values())
        # Tags are copied before the branch, one plan after the other: what has moved is added to.
        fetch, send = self._meters["fetch"], self._meters["send"]
        fetch.total = fetch.done + plan.fetch_bytes
        sizes = {content_of(step): step.file.size or 0 for step in blobs}
        send.total = send.done + sum(sizes.values())

    def _expect_volumes(self, event: VolumesPlanned) -> None:
        self._last_leg = dict.fromkeys(event.sizes, "send")
        self._content = {name: name for name in event.sizes}
        self._names = Counter(self._content.values())
        self._files_done = 0
        self._meters = {"fetch": Meter(), "send": Meter(sum(event.sizes.values()))}

    def _stand(self, event: Standing) -> None:
        """Take the sums of a copy that runs elsewhere."""
        fetch, send = self._meters["fetch"], self._meters["send"]
        fetch.done, fetch.total = event.fetched, event.to_fetch
        send.done, send.total = event.sent, event.to_send

    def _start(self, event: FileStarted) -> None:
        """Begin a file; what was there of it is part of it, and of nothing that moves now."""
        self._flight[event.direction, event.path] = Meter(event.size, event.done)

    def snapshot(self, now: float, wall: float | None = None) -> Snapshot:
        """Return where everything stands, the largest files first.

        Args:
            now: Seconds of a steady clock.
            wall: Seconds since 1970; by our clock unless given.
        """
        wall = time.time() if wall is None else wall
        with self._lock:
            if self._waiting is not None and self._waiting.until <= wall:
                self._waiting = None
            for meter in (*self._meters.values(), *self._flight.values()):
                meter.sample(now)
            flight = sorted(self._flight.items(), key=lambda item: -item[1].total)
            return Snapshot(
                self._meters["fetch"],
                self._meters["send"],
                self._files_done,
                len(self._last_leg),
                tuple((direction, path, meter) for (direction, path), meter in flight),
                self._waiting,
            )
