"""Let others on this machine see how a command's transfer goes: `hubferry transfers`, `hubferry ui`."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry.cli.secrets import redact
from hubferry.cli.waiting import budget_words, waiting_words
from hubferry.errors import HubferryError, InterruptedRunError, UsageError
from hubferry.events import BudgetSpent, Finished, Planned, Resolved, Waiting
from hubferry.i18n import ngettext
from hubferry.transfers.values import Flow, InFlight, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cli.live import Counted
    from hubferry.cli.tally import Meter, Snapshot
    from hubferry.events import Event
    from hubferry.transfers.announcing import Announcement
    from hubferry.transfers.values import State

_MOST_IN_FLIGHT = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What a transfer is about, as far as it is known before it begins.

    Attributes:
        program: What a person calls it: `hubferry copy`.
        source: What was typed, or the mirror file of a run of one; events may tell more exactly.
        destination: What was typed; None of what has none.
        arrives: Whether what is resolved as a destination is one: a fetch has none.
    """

    program: str
    source: str | None = None
    destination: str | None = None
    arrives: bool = True


class Announcer:
    """Hear a transfer's rare events, and say with the counts of its tally how it goes.

    It is seen from its first event on: what is refused for what was typed is no transfer, and writes nothing.
    """

    def __init__(self, subject: Subject, counted: Counted) -> None:
        """Take down what is known; nobody sees it yet."""
        from hubferry.soft_lock import this_process

        self._counted = counted
        self._subject = subject
        self._said = Transfer(
            "",
            subject.program,
            this_process(),
            os.getpid(),
            time.time(),
            0.0,
            source=None if subject.source is None else redact(subject.source),
            destination=None if subject.destination is None else redact(subject.destination),
        )
        self._spent: BudgetSpent | None = None
        self._lacking = 0
        self._announcement: Announcement | None = None

    def _begin(self) -> Announcement:
        from hubferry.transfers.announcing import Announcement

        if self._announcement is None:
            self._announcement = Announcement(self._described)
        return self._announcement

    def hear(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Resolved):
            name = redact(str(event.revision.ref))
            if event.side == "source":
                self._said = replace(self._said, source=name)
            elif self._subject.arrives:
                self._said = replace(self._said, destination=name)
        elif isinstance(event, Planned):
            self._said = replace(self._said, state="moving", waiting=None)
        elif isinstance(event, Waiting):
            self._said = replace(self._said, state="waiting", waiting=redact(event.holder))
        elif isinstance(event, BudgetSpent):
            self._spent = event
        elif isinstance(event, Finished):
            self._said = replace(self._said, state="done")
        self._begin()

    def lacks(self) -> None:
        """Say that a repository of several is not proven."""
        self._lacking += 1

    def moves(self) -> None:
        """Say that it has found out what there is to do."""
        self._said = replace(self._said, state="moving")
        self._begin()

    def end(self, error: BaseException | None) -> None:
        """Say how it ended, and be seen as running no more."""
        if self._announcement is None and isinstance(error, UsageError):
            return
        state: State = "done"
        why = None
        if isinstance(error, (InterruptedRunError, KeyboardInterrupt)) or _is_cancelled(error):
            state = "stopped"
        elif error is not None:
            state = "failed"
            why = redact(error.sentence if isinstance(error, HubferryError) else str(error))
        elif self._lacking:
            state = "failed"
            sentence = ngettext(
                "{count} repository is not proven", "{count} repositories are not proven", self._lacking
            )
            why = sentence.format(count=self._lacking)
        self._said = replace(self._said, state=state, error=why, waiting=None, ended=time.time())
        self._begin().end()

    def _described(self, name: str) -> Transfer:
        now = self._counted.snapshot(time.monotonic())
        said = self._said
        return replace(
            said,
            id=name,
            written=time.time(),
            files_done=now.files_done,
            files=now.files,
            fetch=_flow(now.fetch),
            send=_flow(now.send),
            seconds_left=now.seconds_left if said.runs else None,
            waiting=self._waits_for(now) if said.runs else None,
            in_flight=_in_flight(now) if said.runs else (),
            of_repositories=now.of_repositories,
        )

    def _waits_for(self, now: Snapshot) -> str | None:
        """Return what is waited for, in a sentence."""
        if now.waiting is not None:
            return redact(waiting_words(now.waiting))
        spent = self._spent
        if spent is not None and spent.until > time.time():
            return redact(budget_words(spent))
        return self._said.waiting


@contextmanager
def announced(subject: Subject | None, counted: Counted) -> Iterator[Announcer | None]:
    """Let a transfer be seen until the block is left; None for what is no transfer."""
    if subject is None:
        yield None
        return
    announcer = Announcer(subject, counted)
    try:
        yield announcer
    except BaseException as error:
        announcer.end(error)
        raise
    announcer.end(None)


def _is_cancelled(error: BaseException | None) -> bool:
    return error is not None and type(error).__name__ == "CancelledError"  # without importing asyncio for it


def _flow(meter: Meter) -> Flow:
    return Flow(meter.done, max(meter.total, meter.done), round(meter.rate))


def _in_flight(now: Snapshot) -> tuple[InFlight, ...]:
    return tuple(
        InFlight(direction, path, meter.done, meter.total)
        for direction, path, meter in now.flight[:_MOST_IN_FLIGHT]
    )
