"""Redraw a frame of lines at the end of a terminal, in place, below whatever else is said."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from threading import Event as Flag
from threading import RLock, Thread
from typing import TYPE_CHECKING, Protocol

from hubferry.cli import cells, frame, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cli.tally import Snapshot


class Counted(Protocol):
    """Something that says where everything stands."""

    def snapshot(self, now: float) -> Snapshot:
        """Return it at `now`, in seconds of a steady clock."""
        ...


_SECONDS = 0.2
_OF_PYTHON = ("C.UTF-8", "C.utf8", "UTF-8")
"""What Python itself sets where the locale is C (PEP 538): that says nothing of the terminal."""
_DOUBTFUL = ("zh", "ja", "ko")
"""Languages of terminals in which arrows and lines may take two cells."""


class LiveLines:
    """Draw a tally several times a second, whatever the rate of events.

    The cursor rests at the beginning of the last line: what a terminal echoes of Ctrl-C moves nothing.
    """

    def __init__(self, tally: Counted) -> None:
        """Begin to draw, and let everything that is said come above it."""
        self._tally = tally
        self._glyphs = terminal_glyphs()
        self._drawn: list[str] = []
        self._drawing = RLock()
        self._over = Flag()
        output.frame = self
        self._draw()
        self._thread = Thread(target=self._run, name="hubferry-progress", daemon=True)
        self._thread.start()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the lines away while somebody else prints."""
        with self._drawing:
            self._write(self._erased())
            try:
                yield
            finally:
                if not self._over.is_set():
                    self._draw()

    def stop(self) -> None:
        """Take the lines off the terminal."""
        if output.frame is self:
            output.frame = None
        self._over.set()
        self._thread.join()
        with self._drawing:
            self._write(self._erased())

    def _run(self) -> None:
        while not self._over.wait(_SECONDS):
            with self._drawing:
                if not self._over.is_set() and _in_the_foreground():
                    self._draw()

    def _draw(self) -> None:
        columns, height = terminal_size()
        space = frame.Space(columns, height, self._glyphs, as_shown)
        lines = frame.lines(self._tally.snapshot(time.monotonic()), space, time.time())
        begin, self._drawn = self._up(columns), lines
        self._write(begin + "\r\n".join(f"{line}\x1b[K" for line in lines) + "\x1b[J\r")

    def _erased(self) -> str:
        begin, self._drawn = self._up(terminal_size()[0]), []
        return begin + "\x1b[J"

    def _up(self, columns: int) -> str:
        """Return the way from the last line of what is drawn to its first, also after the window changed."""
        rows = sum(max(1, -(-cells.width(line) // columns)) for line in self._drawn)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self._over.set()


def terminal_size() -> tuple[int, int]:
    """Return columns and lines: of the terminal itself, else of the environment."""
    with suppress(OSError, ValueError):
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
        if columns and lines:
            return columns, lines
    size = shutil.get_terminal_size()
    return size.columns, size.lines


def _in_the_foreground() -> bool:
    """Return whether the terminal is ours now: a job in the background draws over somebody else's lines."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except (OSError, AttributeError, ValueError):
        return True


def terminal_glyphs() -> frame.Glyphs:
    """Return what this terminal shows in one cell each, for certain."""
    said = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    said[1] = "" if said[1] in _OF_PYTHON else said[1]
    named = next(filter(None, said), "")
    unicode = "utf" in (sys.stderr.encoding or "").lower() and ("utf" in named.lower() or os.name == "nt")
    return frame.PLAIN if not unicode or named.lower().startswith(_DOUBTFUL) else frame.Glyphs()


def as_shown(text: str) -> str:
    """Return a text as the encoding of stderr shows it."""
    encoding = sys.stderr.encoding or locale.getpreferredencoding(do_setlocale=False)
    return text.encode(encoding, "hubferry").decode(encoding, "replace")
