"""When a page has something else to show: by `stat` alone, and only while somebody reads."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from hubferry.pages import Event
from hubferry.transfers.desk import Watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_SECONDS = 1.0
"""Between two looks while something runs: as often as transfers say something."""
_IDLE_SECONDS = 2.0
_SUSPICIOUS = 5
"""Looks in a row at which something runs and says nothing: it may have been killed."""


def mark(watched: Watched, others: tuple[object, ...]) -> str:
    """Return a word for what there is to show: another one when that changes."""
    return hashlib.sha256(repr((watched.state(), others)).encode()).hexdigest()[:16]


def changes(
    folder: Path | None, others: Callable[[], tuple[object, ...]], shown: str
) -> Callable[[str | None], AsyncIterator[Event]]:
    """Return a source of events for pages: one each time that there is something else to show.

    Args:
        folder: Where transfers say how they are.
        others: Returns a value that is another one when something changed in this process.
        shown: What `mark` returned before the page was made that waits for them.
    """

    async def source(last: str | None) -> AsyncIterator[Event]:
        watched = Watched(folder)
        seen, silent = last or shown, 0
        while True:
            now = mark(watched, others())
            silent = 0 if now != seen or not watched.busy else silent + 1
            if now != seen or silent == _SUSPICIOUS:  # whoever asks then finds a process that is gone
                seen, silent = now, 0
                yield Event(id=now)
            await asyncio.sleep(_SECONDS if watched.busy else _IDLE_SECONDS)

    return source
