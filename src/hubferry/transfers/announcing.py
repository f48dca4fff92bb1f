"""Say once a second how a transfer goes, in a thread of its own: a slow or full disk delays no transfer."""

from __future__ import annotations

from contextlib import suppress
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING

from hubferry.transfers.desk import Desk, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.transfers.values import Transfer

SECONDS = 1.0
"""Between two times that something is said."""
_PATIENCE = 2.0
"""Seconds that the end of a transfer waits for its last word to be written."""


class Announcement:
    """Say how a transfer goes, from now until `end`."""

    def __init__(self, describe: Callable[[str], Transfer], seconds: float = SECONDS) -> None:
        """Begin.

        Args:
            describe: Returns how it goes now, under the name that is given to it; called by the thread.
            seconds: Between two times.
        """
        self._describe = describe
        self._seconds = seconds
        self._over = Flag()
        self._thread = Thread(target=self._run, name="hubferry-announcement", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Say how it ended: what `describe` returns from now on."""
        self._over.set()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        with suppress(OSError):  # not to be seen is no reason not to move
            folder = place()
            if folder is None:
                return
            desk = Desk(folder)
            try:
                self._say(desk)
                while not self._over.wait(self._seconds):
                    self._say(desk)
            finally:
                desk.leave(self._describe(desk.id))

    def _say(self, desk: Desk) -> None:
        with suppress(OSError):
            desk.say(self._describe(desk.id))
