"""Show how a run goes: lines that redraw on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING

from hubferry.cli import output, present
from hubferry.cli.tally import Snapshot, Tally
from hubferry.cli.waiting import waiting_words
from hubferry.events import (
    Committed,
    FileDone,
    FileStarted,
    Finished,
    Note,
    Planned,
    Progress,
    Resolved,
    Retrying,
    Waiting,
)
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from hubferry.cli.live import LiveLines
    from hubferry.events import Event, Listener

    class Stoppable(Protocol):
        """A display that runs until it is stopped."""

        def stop(self) -> None:
            """Draw no more."""


_PLAIN_SECONDS = 5.0
"""Between two plain lines: a log of an hour's copy stays under a thousand lines."""
_WAIT_SECONDS = 30.0
"""Between two sentences about waits where no line can be drawn anew: many files wait for one hub."""
_COUNTED = (Progress, FileStarted, FileDone)


@contextmanager
def follow(*, quiet: bool) -> Iterator[Listener]:
    """Give a listener that shows a run on stderr until the block is left."""
    if quiet:
        yield _silent
        return
    follower = Follower()
    try:
        yield follower.hear
    finally:
        follower.stop()


def _silent(_event: Event) -> None:
    """Hear and say nothing."""


class Follower:
    """Hear events, say the rare ones, count the many, and draw the counts while bytes move."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._display: Stoppable | None = None
        self._live: LiveLines | None = None
        self._source_named = False
        self._waiting: Resolved | None = None
        self._told: Retrying | None = None

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
        if isinstance(event, Planned) and (event.plan.fetch_bytes or event.plan.send_bytes):
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
        if output.is_terminal():
            self._start()
            return
        begun = event.until - event.seconds
        told = self._told
        if told is None or told.kind != event.kind or begun - (told.until - told.seconds) >= _WAIT_SECONDS:
            self._told = event
            self._say(event)

    def _say(self, event: Event) -> None:
        sentence = sentence_of(event)
        if sentence and self._live is not None:
            self._live.say(output.presentable(sentence))
        elif sentence:
            output.talk(sentence)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for lines that somebody else prints."""
        if self._live is None:
            yield
            return
        with self._live.aside():
            yield

    def stop(self) -> None:
        """Draw no more; the terminal is left as it was."""
        display, self._display, self._live = self._display, None, None
        if display is not None:
            display.stop()

    def _start(self) -> None:
        if self._display is not None:
            return
        if output.is_terminal():
            from hubferry.cli.live import LiveLines

            self._display = self._live = LiveLines(self._tally)
        else:
            self._display = PlainLines(self._tally)


class PlainLines:
    """Print a line every few seconds, also when nothing moves: that is when one wants to know."""

    def __init__(self, tally: Tally, seconds: float = _PLAIN_SECONDS) -> None:
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


def line_of(now: Snapshot) -> str:
    """Return the whole as one line: files, both directions with their rates, time left."""
    parts = [_("{done} of {files} files").format(done=now.files_done, files=now.files)]
    if now.fetch.total:
        parts.append(
            _("fetched {done} of {total} ({rate}/s)").format(
                done=output.size(now.fetch.done),
                total=output.size(now.fetch.total),
                rate=output.size(round(now.fetch.rate)),
            )
        )
    if now.send.total:
        parts.append(
            _("sent {done} of {total} ({rate}/s)").format(
                done=output.size(now.send.done),
                total=output.size(now.send.total),
                rate=output.size(round(now.send.rate)),
            )
        )
    left = now.seconds_left
    if left:
        parts.append(_("{time} left").format(time=output.duration(left)))
    if now.waiting is not None:
        parts.append(waiting_words(now.waiting))
    return _(", ").join(parts)


def sentence_of(event: Event) -> str | None:
    """Return what to say about an event, None for those that are only counted or end the run."""
    if isinstance(event, Resolved):
        side = _("source:") if event.side == "source" else _("destination:")
        return f"{side} {present.revision_words(event.revision)}"
    if isinstance(event, Planned):
        return "\n".join([*present.circumstances(event.plan), present.plan_sum(event.plan)])
    if isinstance(event, Retrying):
        return waiting_words(event)
    if isinstance(event, Waiting):
        return _("waiting: another run holds {ref} ({holder})").format(ref=event.ref, holder=event.holder)
    if isinstance(event, Committed):
        return _("commit {number} of {of}: {commit} ({files} files)").format(
            number=event.number, of=event.of, commit=event.commit[:12], files=event.files
        )
    return event.message if isinstance(event, Note) else None
