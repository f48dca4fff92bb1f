"""Count what many copies tell: one sum, and how far each repository in flight is. No terminal in here."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from hubferry.cli.tally import Meter, Snapshot, Tally
from hubferry.sync.events import Ended, Expanded, Happened, Started

if TYPE_CHECKING:
    from hubferry.events import Direction
    from hubferry.sync.events import Told


class SyncTally:
    """Take what a run of a mirror file tells; give a snapshot when asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: dict[str, Tally] = {}
        self._meters: dict[Direction, Meter] = {"fetch": Meter(), "send": Meter()}
        self._over: dict[Direction, int] = {"fetch": 0, "send": 0}
        self._done = 0
        self._all = 0

    def take(self, told: Told) -> None:
        """Count one."""
        with self._lock:
            if isinstance(told, Happened):
                tally = self._running.get(told.job.source) if told.job else None
                if tally is not None:
                    tally.take(told.event)
            elif isinstance(told, Expanded):
                self._all += len(told.jobs)
            elif isinstance(told, Started):
                self._running[told.job.source] = Tally()
            elif isinstance(told, Ended):
                self._end(told.outcome.job.source)

    def _end(self, name: str) -> None:
        tally = self._running.pop(name, None)
        if tally is None:
            return
        self._done += 1
        last = tally.snapshot(monotonic())
        # What was not moved in the end is nothing to wait for any more.
        self._over["fetch"] += last.fetch.done
        self._over["send"] += last.send.done

    def snapshot(self, now: float, wall: float | None = None) -> Snapshot:
        """Return where everything stands; see `Tally.snapshot`."""
        with self._lock:
            each = {name: tally.snapshot(now, wall) for name, tally in self._running.items()}
            for direction, meter in self._meters.items():
                over = self._over[direction]
                parts = [one.fetch if direction == "fetch" else one.send for one in each.values()]
                meter.done = over + sum(part.done for part in parts)
                meter.total = over + sum(part.total for part in parts)
                meter.sample(now)
            waits = [one.waiting for one in each.values() if one.waiting is not None]
            return Snapshot(
                self._meters["fetch"],
                self._meters["send"],
                self._done,
                self._all,
                tuple(sorted((_row(name, one) for name, one in each.items()), key=lambda row: -row[2].total)),
                max(waits, key=lambda wait: wait.until, default=None),
                of_repositories=True,
            )


def _row(name: str, one: Snapshot) -> tuple[Direction, str, Meter]:
    """Return one repository's line: the direction that has most left."""
    left = one.send.total - one.send.done, one.fetch.total - one.fetch.done
    return ("send", name, one.send) if left[0] > left[1] else ("fetch", name, one.fetch)
