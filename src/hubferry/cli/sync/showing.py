"""Show a run of a mirror file: the sum and each repository in flight, a sentence for what ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubferry.cli import logs, output, progress, progress_json, signals
from hubferry.cli.announced import announced
from hubferry.cli.sentences import sentence_of
from hubferry.cli.sync import words
from hubferry.cli.sync.tally import SyncTally
from hubferry.cli.waiting import SENTENCE_SECONDS, Spaced
from hubferry.events import BudgetSpent, Note, Planned, Retrying, Waiting
from hubferry.i18n import ngettext
from hubferry.sync.events import Ended, Expanded, Happened, Looked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cli.announced import Announcer, Subject
    from hubferry.cli.progress import Stoppable, Style
    from hubferry.events import Event
    from hubferry.sync.events import Hear, Told
    from hubferry.sync.spec import Job

_WRITTEN = (Planned, Retrying, Waiting, BudgetSpent, Note)


@contextmanager
def follow(
    *, quiet: bool, style: Style = "auto", stays: bool = False, subject: Subject | None = None
) -> Iterator[Hear]:
    """Give a listener that shows runs on stderr until the block is left.

    Args:
        quiet: Whether to show nothing.
        style: How to show progress.
        stays: Whether there is one run after another, and signals are somebody else's.
        subject: What others on this machine see of it; None for what moves nothing.
    """
    tally = SyncTally()
    shown: _Lines | _Json | None = _Json() if style == "json" else None if quiet else _Lines(style, tally)
    try:
        with announced(subject, tally) as announcer:

            def hear(told: Told) -> None:
                if not stays:
                    signals.watch()
                tally.take(told)
                if isinstance(told, Happened):
                    logs.tell(told.event, told.job.source if told.job else None)
                elif announcer is not None:
                    _announce(told, announcer)
                if shown is not None:
                    shown.hear(told)

            yield hear
    finally:
        if shown is not None:
            shown.stop()


def _announce(told: Told, announcer: Announcer) -> None:
    if isinstance(told, Expanded):
        announcer.moves()
    elif isinstance(told, Ended) and not told.outcome.good:
        announcer.lacks()


class _Lines:
    def __init__(self, style: Style, tally: SyncTally) -> None:
        self._tally = tally
        self._silent = style == "none"
        self._redraws = style in ("auto", "bar") and output.is_terminal()
        self._display: Stoppable | None = None
        self._waits = Spaced(SENTENCE_SECONDS)

    def hear(self, told: Told) -> None:
        """Take one; the many that only count cost no drawing."""
        if isinstance(told, Expanded) and told.jobs:
            count = len(told.jobs)
            sentence = ngettext("{count} repository to look at", "{count} repositories to look at", count)
            output.talk(sentence.format(count=count))
            self._start()
        elif isinstance(told, Ended):
            if told.outcome.status != "same":
                output.talk(words.outcome_line(told.outcome))
        elif isinstance(told, Happened):
            self._happened(told.job, told.event)

    def _happened(self, job: Job | None, event: Event) -> None:
        if isinstance(event, Retrying):
            if (self._display is not None and self._redraws) or not self._waits.may_tell(event):
                return
        elif not isinstance(event, (Waiting, BudgetSpent)) and not (isinstance(event, Note) and job is None):
            return
        sentence = sentence_of(event)
        if sentence:
            output.talk(sentence if job is None else f"{job.source}: {sentence}")

    def _start(self) -> None:
        if self._display is not None or self._silent:
            return
        if self._redraws:
            from hubferry.cli.live import LiveLines

            self._display = LiveLines(self._tally)
        else:
            self._display = progress.PlainLines(self._tally)

    def stop(self) -> None:
        """Draw no more."""
        display, self._display = self._display, None
        if display is not None:
            display.stop()


class _Json:
    """Write a line for each repository that begins, is planned, waits and ends."""

    def __init__(self) -> None:
        output.errors_as_lines = True

    def hear(self, told: Told) -> None:
        """Take one."""
        if isinstance(told, Expanded):
            progress_json.write({"event": "expanded", "repositories": len(told.jobs)})
        elif isinstance(told, Ended):
            progress_json.write({"event": "ended", **words.outcome_document(told.outcome)})
        elif isinstance(told, Looked):
            progress_json.write({"event": "looked", **words.change_document(told.change)})
        elif isinstance(told, Happened) and isinstance(told.event, _WRITTEN):
            described = progress_json.described(told.event) or {}
            progress_json.write({**described, "source": told.job.source if told.job else None})

    def stop(self) -> None:
        """Nothing is drawn."""
