"""Show how far a verification is, on one line of a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubferry.cli import cells, live, output
from hubferry.cli.tally import Meter
from hubferry.events import FileDone, FileStarted, Progress, ignore
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.events import Event, Listener

_SECONDS = 0.2
"""Between two drawings."""


@contextmanager
def follow_reading() -> Iterator[Listener]:
    """Give a listener that draws what is read until the block is left."""
    if not output.is_terminal():
        yield ignore
        return
    line = _Line()
    try:
        yield line.hear
    finally:
        line.clear()


class _Line:
    """Count what several threads read, and draw it now and then."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._meter = Meter()
        self._path = ""
        self._files = 0
        self._drawn = 0.0

    def hear(self, event: Event) -> None:
        with self._changing:
            if isinstance(event, FileStarted):
                self._path = event.path
            elif isinstance(event, Progress):
                self._meter.done += event.count
            elif isinstance(event, FileDone):
                self._files += 1
            now = time.monotonic()
            if now - self._drawn >= _SECONDS:
                self._drawn = now
                self._meter.sample(now)
                self._draw()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    def _draw(self) -> None:
        columns, _lines = live.terminal_size()
        dots = live.terminal_glyphs().ellipsis
        sentence = _("{files} files, {size} read ({rate}/s): {path}").format(
            files=self._files,
            size=output.size(self._meter.done),
            rate=output.size(round(self._meter.rate)),
            path="",
        )
        room = max(1, columns - 1 - cells.width(sentence))
        (path,) = cells.shortened([live.as_shown(output.visible(self._path))], room, dots)
        sys.stderr.write(f"\r{cells.cut(sentence + path, columns - 1, dots)}\x1b[K")
        sys.stderr.flush()
