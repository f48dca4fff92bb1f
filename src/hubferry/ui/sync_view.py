"""Mirror files, and what their runs did, as the pages show them."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, NotFoundError
from hubferry.i18n import _
from hubferry.pages import Point, Series
from hubferry.sync.history.reading import Wanted, absolute
from hubferry.sync.history.store import History
from hubferry.sync.reading import read
from hubferry.sync.timetable import next_time
from hubferry.units import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.sync.history.values import PastOutcome, PastRun
    from hubferry.sync.spec import Entry, SyncFile
    from hubferry.ui.settings import Settings

_RUNS, _LOOKED_INTO = 60, 12
_DAYS = 30
_DAY = 86400.0
_GOOD = ("same", "copied")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of a mirror file, and when a `watch` of the file runs it next; None for never."""

    entry: Entry
    schedule: str | None
    next_at: float | None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror file.

    Attributes:
        path: Where it is.
        name: Tells it from the others in an address.
        entries: What it says; none where it cannot be read.
        mistake: Why it cannot.
        runs: Its last runs, the latest first.
        latest: What became of each repository the last time, by source.
        receipts: Where its receipts go.
    """

    path: Path
    name: str
    entries: tuple[EntryRow, ...]
    mistake: str | None
    runs: tuple[PastRun, ...]
    latest: tuple[PastOutcome, ...]
    receipts: Path | None = None

    @property
    def next_at(self) -> float | None:
        """When a `watch` runs something of it next."""
        return min((row.next_at for row in self.entries if row.next_at is not None), default=None)

    @property
    def failing(self) -> tuple[PastOutcome, ...]:
        """The repositories that failed the last time."""
        return tuple(one for one in self.latest if one.status == "failed")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """All that are known, and what keeps the history from being read."""

    files: tuple[Mirror, ...]
    trouble: str | None = None


def look(settings: Settings) -> Mirrors:
    """Read the mirror files and their history. Blocks."""
    with History.open(create=False) as history:
        runs = history.runs(Wanted(limit=_RUNS * 4)) if history.readable else ()
        paths = {absolute(path): path for path in settings.sync_files}
        if not settings.only_files:
            paths |= {run.file: paths.get(run.file, Path(run.file)) for run in runs}
        files = tuple(_mirror(history, path, runs) for path in paths.values())
        trouble = history.trouble
    missing = isinstance(trouble, NotFoundError) or trouble is None
    return Mirrors(files, None if missing or trouble is None else trouble.sentence)


def last_runs(settings: Settings, most: int) -> tuple[PastRun, ...]:
    """Return the last runs of all files. Blocks."""
    if "sync" not in settings.sections:
        return ()
    with History.open(create=False) as history:
        return history.runs(Wanted(limit=most)) if history.readable else ()


def one_run(number: int) -> tuple[PastRun, tuple[PastOutcome, ...]]:
    """Return a run and what became of its repositories. Blocks.

    Raises:
        NotFoundError: It is not remembered.
    """
    with History.open(create=False) as history:
        run = history.run(number) if history.readable else None
        if run is None:
            message = _("no run {number} is remembered").format(number=number)
            raise NotFoundError(message, hint="hubferry sync history")
        return run, history.outcomes(number, Wanted())


def _mirror(history: History, path: Path, runs: Sequence[PastRun]) -> Mirror:
    own = tuple(run for run in runs if run.file == absolute(path))[:_RUNS]
    file: SyncFile | None = None
    mistake = None
    try:
        file = read(path)
    except HubferryError as error:
        mistake = error.sentence
    now = time.time()
    entries = tuple(_entry(entry, now) for entry in file.entries) if file is not None else ()
    receipts = None if file is None else file.receipts
    return Mirror(path, _name(path), entries, mistake, own, _latest(history, own), receipts)


def _name(path: Path) -> str:
    import hashlib

    return hashlib.sha256(absolute(path).encode(errors="surrogatepass")).hexdigest()[:8]


def _entry(entry: Entry, now: float) -> EntryRow:
    schedule = entry.schedule
    if schedule is None:
        return EntryRow(entry, None, None)
    words = [schedule.cron] if schedule.cron else []
    if schedule.every is not None:
        words.append(_("every {time}").format(time=_interval(schedule.every)))
    if schedule.at_start:
        words.append(_("at the start"))
    at = next_time(schedule, now)
    return EntryRow(entry, ", ".join(words), at if at < moment(float("inf")) else None)


def _interval(seconds: float) -> str:
    for length, word in ((_DAY, _("{count:g} d")), (3600.0, _("{count:g} h")), (60.0, _("{count:g} min"))):
        if seconds >= length:
            return word.format(count=round(seconds / length, 1))
    return _("{count:g} s").format(count=seconds)


def _latest(history: History, runs: Sequence[PastRun]) -> tuple[PastOutcome, ...]:
    """Return what became of each repository when it was done last, as far as the last runs tell."""
    found: dict[tuple[str, str], PastOutcome] = {}
    for run in runs[:_LOOKED_INTO]:
        for one in history.outcomes(run.id, Wanted()):
            found.setdefault((one.source, one.target), one)
    return tuple(sorted(found.values(), key=lambda one: (one.status in _GOOD, one.source)))


def bytes_a_day(runs: Sequence[PastRun], now: float) -> list[Series]:
    """Return what the runs of each of the last days fetched and sent."""
    today = _day(now)
    days = [today - timedelta(days=back) for back in range(_DAYS - 1, -1, -1)]
    fetched, sent = dict.fromkeys(days, 0.0), dict.fromkeys(days, 0.0)
    for run in runs:
        day = _day(min(run.started, now + _DAY))
        if day in fetched:
            fetched[day] += run.fetched
            sent[day] += run.sent
    return [
        Series(label, [Point(f"{day:%m-%d}", amounts[day]) for day in days])
        for label, amounts in ((_("Fetched"), fetched), (_("Sent"), sent))
    ]


def _day(at: float) -> date:
    """Return the day of a moment by this machine's calendar, in which a day may have 23 hours, or 25."""
    return datetime.fromtimestamp(moment(at), timezone.utc).astimezone().date()


def durations(runs: Sequence[PastRun]) -> list[Series]:
    """Return how long each run took, the earliest first."""
    return [Series(_("Duration"), [Point(_when(run), run.seconds) for run in reversed(runs)])]


def results(runs: Sequence[PastRun]) -> list[Series]:
    """Return how many repositories of each run were right and how many failed, the earliest first."""
    good = [
        Point(_when(run), float(sum(run.counts.get(word, 0) for word in ("same", "copied"))))
        for run in reversed(runs)
    ]
    bad = [Point(_when(run), float(run.counts.get("failed", 0))) for run in reversed(runs)]
    return [Series(_("Proven"), good), Series(_("Failed"), bad)]


def _when(run: PastRun) -> str:
    with suppress(OSError, OverflowError, ValueError):
        return time.strftime("%m-%d %H:%M", time.localtime(moment(run.started)))
    return str(run.id)
