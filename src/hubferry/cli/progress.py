"""Show how a run goes: lines that redraw on a terminal, else plain lines; JSON for programs, or nothing."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hubferry.cli import logs, output, signals
from hubferry.cli.announced import announced
from hubferry.cli.options import STYLES
from hubferry.cli.sentences import line_of, sentence_of
from hubferry.cli.tally import Tally
from hubferry.cli.waiting import SENTENCE_SECONDS, Spaced
from hubferry.events import (
    FileDone,
    FileStarted,
    Finished,
    Planned,
    Progress,
    Resolved,
    Retrying,
    VolumesPlanned,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cli.announced import Subject
    from hubferry.cli.live import Counted
    from hubferry.events import Event, Listener

Style: TypeAlias = str
"""One of `options.STYLES`."""
VARIABLE = "HUBFERRY_PROGRESS"
_PLAIN_SECONDS = 5.0
"""Between two plain lines: a log of an hour's copy stays under a thousand lines."""
_COUNTED = (Progress, FileStarted, FileDone)


class Hearer(Protocol):
    """Somebody who shows a run."""

    def hear(self, event: Event) -> None:
        """Take one event."""

    def stop(self) -> None:
        """Show no more."""


class Stoppable(Protocol):
    """A display that runs until it is stopped."""

    def stop(self) -> None:
        """Draw no more."""


@contextmanager
def follow(*, quiet: bool, style: Style = "auto", subject: Subject | None = None) -> Iterator[Listener]:
    """Give a listener that shows a run on stderr until the block is left.

    Args:
        quiet: Whether to show nothing.
        style: How to show progress.
        subject: What others on this machine see of it; None for what moves nothing.
    """
    tally = Tally()
    hearer = hearer_of(style, tally, quiet=quiet)
    try:
        with announced(subject, tally) as announcer:

            def hear(event: Event) -> None:
                signals.watch()
                logs.tell(event)
                hearer.hear(event)
                if announcer is not None and not isinstance(event, _COUNTED):
                    announcer.hear(event)

            yield hear
    finally:
        hearer.stop()


def hearer_of(style: Style, tally: Tally, *, quiet: bool) -> Hearer:
    """Return who counts a run and shows it; only a program that asked for JSON is shown a quiet one."""
    if style == "json":
        from hubferry.cli.progress_json import JsonLines

        return JsonLines(tally)
    return Quiet(tally) if quiet else Follower(style, tally)


def style_of_environment() -> Style:
    """Return what HUBFERRY_PROGRESS asks for; anything else than a style asks for nothing."""
    asked = os.environ.get(VARIABLE, "")
    return asked if asked in STYLES else "auto"


class Quiet:
    """Count, and show nothing."""

    def __init__(self, tally: Tally) -> None:
        self.hear = tally.take

    def stop(self) -> None:
        """Nothing is shown."""


class Follower:
    """Hear events, say the rare ones, count the many, and draw the counts while bytes move."""

    def __init__(self, style: Style = "auto", tally: Tally | None = None) -> None:
        self._tally = tally or Tally()
        self._silent = style == "none"
        self._redraws = style in ("auto", "bar") and output.is_terminal()
        self._display: Stoppable | None = None
        self._source_named = False
        self._waiting: Resolved | None = None
        self._waits = Spaced(SENTENCE_SECONDS)

    def hear(self, event: Event) -> None:
        """Take one event; the many that only count cost no drawing."""
        self._tally.take(event)
        if isinstance(event, _COUNTED):
            return
        if isinstance(event, Retrying):
            self._wait(event)
            return
        for one in self._in_order(event):
            self._say(one)
        moves = isinstance(event, Planned) and (event.plan.fetch_bytes or event.plan.send_bytes)
        if moves or isinstance(event, VolumesPlanned):
            self._start()
        elif isinstance(event, Finished):
            self.stop()

    def _in_order(self, event: Event) -> Iterator[Event]:
        """Yield what may be said now: the hubs answer in any order, the source is named first."""
        if isinstance(event, Resolved) and event.side == "destination" and not self._source_named:
            self._waiting = event
            return
        yield event
        if isinstance(event, Resolved) and event.side == "source":
            self._source_named = True
            if self._waiting is not None:
                yield self._waiting
                self._waiting = None

    def _wait(self, event: Retrying) -> None:
        """Show what is waited for: in a line that is drawn anew, else in few sentences."""
        if self._redraws:
            self._start()
            return
        if self._waits.may_tell(event):
            self._say(event)

    @staticmethod
    def _say(event: Event) -> None:
        sentence = sentence_of(event)
        if sentence:
            output.talk(sentence)

    def stop(self) -> None:
        """Draw no more; the terminal is left as it was."""
        display, self._display = self._display, None
        if display is not None:
            display.stop()

    def _start(self) -> None:
        if self._display is not None or self._silent:
            return
        if self._redraws:
            from hubferry.cli.live import LiveLines

            self._display = LiveLines(self._tally)
        else:
            self._display = PlainLines(self._tally)


class PlainLines:
    """Print a line every few seconds, also when nothing moves: that is when one wants to know."""

    def __init__(self, tally: Counted, seconds: float = _PLAIN_SECONDS) -> None:
        self._tally = tally
        self._seconds = seconds
        self._over = Flag()
        self._tally.snapshot(time.monotonic())
        self._thread = Thread(target=self._run, name="hubferry-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Print no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            output.talk(line_of(self._tally.snapshot(time.monotonic())))
