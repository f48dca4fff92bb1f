"""A terminal of a size, as a person has it: the program under it sees a real one, a test sees its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager

import pyte

SECONDS = 30


class Terminal:
    """What a program has drawn on a real pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], side: int, columns: int, lines: int) -> None:
        self.process = process
        self._side = side
        self.screen = pyte.HistoryScreen(columns, lines, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.drawn = b""
        self._more = select.poll()  # `select.select` knows 1,024 descriptors
        self._more.register(side, select.POLLIN)

    def read(self, seconds: float) -> bool:
        """Take in what is drawn within `seconds`; return whether there may be more."""
        if not self._more.poll(1000 * seconds):
            return True
        try:
            piece = os.read(self._side, 65536)
        except OSError:
            return False
        self.drawn += piece
        self._stream.feed(piece)
        return bool(piece)

    def wait_for(self, shown) -> str:
        """Read until `shown` is true of the text on the screen; return that text."""
        deadline = time.monotonic() + SECONDS
        while not shown(self.text):
            assert self.read(0.1), self.text
            assert time.monotonic() < deadline, self.text
        return self.text

    def end(self) -> int:
        """Read to the end; return how the program ended."""
        deadline = time.monotonic() + SECONDS
        while self.read(0.1):
            assert time.monotonic() < deadline, self.text
        return self.process.wait(SECONDS)

    def resize(self, columns: int, lines: int = 24) -> None:
        fcntl.ioctl(self._side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def redrawn(self) -> None:
        """Read until the frame has been drawn twice more: once for certain after whatever changed before."""
        before = self.drawn.count(b"\x1b[J")
        while self.drawn.count(b"\x1b[J") < before + 2:
            assert self.read(5), self.text

    def type(self, keys: bytes) -> None:
        os.write(self._side, keys)

    @property
    def text(self) -> str:
        """All that can be seen, scrolled away or not, without blanks at the ends."""
        above = [
            "".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top
        ]
        return "\n".join(line.rstrip() for line in (*above, *self.screen.display)).rstrip()


@contextmanager
def terminal(words, environment, cwd, *, columns=80, lines=24):
    """Run a program on a terminal of its own, with Ctrl-C and all; everything it says goes there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        words, env=environment, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - as a shell does
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(process, ours, columns, lines)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
