"""Stay, and run what is due: the file is read again when asked, and whoever stops it loses nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, LockedError
from hubferry.events import Note
from hubferry.i18n import _
from hubferry.patience import CLOCK, Clock
from hubferry.sync.events import Happened
from hubferry.sync.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hubferry.sync.events import Hear
    from hubferry.sync.outcome import Summary
    from hubferry.sync.spec import Entry, SyncFile

_LOOK_UP = 30.0
"""Seconds after which the clock is looked at again: it may be set, and machines sleep."""
_HELD = 60.0
"""Seconds after which it is tried again where another run has the file."""


@dataclass
class Standing:
    """What `watch` is doing, for whoever asks.

    Attributes:
        running: Whether repositories are brought up to date now.
        next_at: When something is due, in seconds since 1970; None for never.
        mistake: What is wrong with the file as it is now; the one before is still heeded.
    """

    running: bool = False
    next_at: float | None = None
    mistake: str | None = None


@dataclass
class Watch:
    """Run the entries of a file by their schedules until it is stopped.

    Attributes:
        read: Returns the file as it is now.
        work: Runs these entries once.
        hear: Is told what happens.
        clock: Time.
    """

    read: Callable[[], SyncFile]
    work: Callable[[SyncFile, Sequence[Entry]], Awaitable[Summary]]
    hear: Hear
    clock: Clock = CLOCK
    standing: Standing = field(default_factory=Standing)
    _over: bool = False
    _again: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _work: asyncio.Task[Summary] | None = None

    def stop(self) -> None:
        """End: what runs is broken off in good order, and goes on in the next run where it stopped."""
        self._over = True
        self._woken.set()
        if self._work is not None:
            self._work.cancel()

    def reload(self) -> None:
        """Read the file again, after what runs now."""
        self._again = True
        self._woken.set()

    async def run(self) -> None:
        """Run what is due until `stop`.

        Raises:
            UsageError: The file is wrong as it stands at the beginning.
        """
        file = self.read()
        table = Timetable(file.entries, self.clock.wall())
        while not self._over:
            if self._again:
                file, table = self._read_again(file, table)
            due = table.due(self.clock.wall())
            if due:
                await self._once(file, due, table)
            else:
                await self._wait(table)

    def _read_again(self, file: SyncFile, table: Timetable) -> tuple[SyncFile, Timetable]:
        """Return the file as it is now, or the one that was heeded where it has a mistake."""
        self._again = False
        try:
            fresh = self.read()
        except HubferryError as error:
            self.standing.mistake = error.sentence
            message = _("{path} is not read again, since it has a mistake: {reason}")
            self._say(message.format(path=file.path, reason=error.sentence))
            return file, table
        self.standing.mistake = None
        self._say(_("{path} was read again").format(path=file.path))
        return fresh, Timetable(fresh.entries, self.clock.wall(), table)

    async def _once(self, file: SyncFile, due: Sequence[Entry], table: Timetable) -> None:
        self._work = asyncio.ensure_future(self.work(file, due))
        self.standing.running = True
        try:
            await self._work
        except LockedError as error:
            self._say(error.sentence)
            table.put_off(due, self.clock.wall() + _HELD)
            return
        except HubferryError as error:  # of this run as a whole; the next one may do better
            self._say(error.sentence)
        except asyncio.CancelledError:
            if not self._over:
                raise
        finally:
            self._work, self.standing.running = None, False
        table.ran(due, self.clock.wall())

    async def _wait(self, table: Timetable) -> None:
        """Return when something is due, or may be, or somebody wants something."""
        self.standing.next_at = table.next_at
        now = self.clock.wall()
        left = _LOOK_UP if table.next_at is None else max(0.0, table.next_at - now)
        sleeping = asyncio.ensure_future(self.clock.sleep(min(left, _LOOK_UP)))
        waking = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, waking):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(sleeping, waking, return_exceptions=True)
        self._woken.clear()

    def _say(self, sentence: str) -> None:
        self.hear(Happened(None, Note(sentence)))
