"""When each entry of a mirror file is due. No I/O, and no clock of its own.

A cron expression is read in the machine's own time: a time that the change to summer time leaves out comes an
hour later, one that the change back repeats comes once.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from cronsim import CronSim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.sync.spec import Entry, Schedule


class Timetable:
    """Say which entries are due, and when the next one will be."""

    def __init__(self, entries: Sequence[Entry], now: float, before: Timetable | None = None) -> None:
        """Begin at `now`, in seconds since 1970.

        Args:
            entries: Those without a schedule are never due.
            now: Seconds since 1970.
            before: The timetable of the file as it was: what has not changed keeps its time.
        """
        self._entries = [entry for entry in entries if entry.schedule is not None]
        kept = before.times if before is not None else {}
        self._due: dict[str, float] = {}
        for entry in self._entries:
            assert entry.schedule is not None  # noqa: S101 - chosen so above
            at_start = entry.schedule.at_start and before is None
            known = kept.get((entry.name, entry.schedule))
            self._due[entry.name] = now if at_start else known or next_time(entry.schedule, now)

    def due(self, now: float) -> list[Entry]:
        """Return the entries whose time has come, in the order of the file."""
        return [entry for entry in self._entries if self._due[entry.name] <= now]

    def ran(self, entries: Sequence[Entry], ended: float) -> None:
        """Say that these were run; what came due meanwhile does so once."""
        for entry in entries:
            if entry.schedule is not None and entry.name in self._due:
                self._due[entry.name] = next_time(entry.schedule, ended)

    def put_off(self, entries: Sequence[Entry], until: float) -> None:
        """Say that these could not be run, and are due again at `until`."""
        for entry in entries:
            self._due[entry.name] = until

    @property
    def next_at(self) -> float | None:
        """When something is due next, in seconds since 1970; None where nothing ever is."""
        first = min(self._due.values(), default=math.inf)
        return None if first == math.inf else first

    @property
    def times(self) -> dict[tuple[str, Schedule], float]:
        """When each entry is due, by its name and schedule."""
        return {
            (entry.name, entry.schedule): self._due[entry.name]
            for entry in self._entries
            if entry.schedule is not None
        }


def next_time(schedule: Schedule, now: float) -> float:
    """Return when a schedule is due after `now`: the earliest of what it says; infinity for never."""
    times = []
    if schedule.every is not None:
        times.append(now + schedule.every)
    if schedule.cron is not None:
        times.append(_next_of_cron(schedule.cron, now))
    return min(times, default=math.inf)


def _next_of_cron(expression: str, now: float) -> float:
    for moment in CronSim(expression, datetime.fromtimestamp(now)):  # noqa: DTZ006 - see above
        at = moment.timestamp()
        if at > now:
            return at
    return math.inf
