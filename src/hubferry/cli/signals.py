"""Stop cleanly at the first signal, at once at the second, and die of it: a shell's loop ends then, too.

A shell goes on with its loop when a command only exits with 130: it takes that for the command's own
business.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from hubferry.cli import output
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from typing_extensions import Never

INTERRUPTED = 130
"""The exit code of a run that was interrupted, where nobody could die of a signal."""
_ENDING = ("SIGTERM", "SIGHUP")
_TELL_SECONDS = 2.0
"""After which a person who waits for the end is told that there is a faster one."""


class _Heard:
    """Which signal ends this run, and who hears the next one."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.handling = False
        self.deaf = False
        self._passed_on = False
        self._before: Any = None
        self._teller: threading.Timer | None = None

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Take SIGTERM or SIGHUP as Ctrl-C, which a program in the background may be told to ignore."""
        if self.number is not None:
            die(number)
        self.number = number
        self._passed_on = True
        stop = signal.getsignal(signal.SIGINT)
        if self.deaf and callable(stop):
            stop(signal.SIGINT, frame)
        else:
            signal.raise_signal(signal.SIGINT)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Pass on the first Ctrl-C to who stops the run, and end it at the second."""
        if self.number is not None and not self._passed_on:
            die(number)
        self._passed_on = False
        self.number = self.number or number
        if self._teller is None:
            self._teller = threading.Timer(_TELL_SECONDS, _tell)
            self._teller.daemon = True
            self._teller.start()
        self._before(number, frame)

    def say_no_more(self) -> None:
        """Tell nobody of a faster end: it is here."""
        if self._teller is not None:
            self._teller.cancel()
            self._teller = None

    def take_over(self) -> None:
        """Stand before whoever hears Ctrl-C now: the event loop, which stops its work in good order."""
        now = signal.getsignal(signal.SIGINT)
        if callable(now) and now != self.interrupt:
            self._before = now
            signal.signal(signal.SIGINT, self.interrupt)


_heard = _Heard()


@contextmanager
def heard() -> Iterator[None]:
    """Let the signals that end a program stop what is done in this block in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _numbers("SIGINT", *_ENDING)}
    _heard.deaf = before[signal.SIGINT] is signal.SIG_IGN and hasattr(signal, "pthread_sigmask")
    if _heard.deaf:  # the event loop must hear what SIGTERM is passed on as, and nobody else's Ctrl-C
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _numbers(*_ENDING):
        if before[number] is signal.SIG_DFL:
            signal.signal(number, _heard.terminate)
    _heard.number, _heard.handling = None, True
    try:
        yield
    finally:
        _heard.handling = False
        _heard.say_no_more()
        for number, handler in before.items():
            if handler is not None:  # whoever set it was no Python
                signal.signal(number, handler)
        if _heard.deaf:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def watch() -> None:
    """Let a second Ctrl-C end the run at once, from now on: the event loop hears the first."""
    if _heard.handling and threading.current_thread() is threading.main_thread():
        _heard.take_over()


def stopped() -> None:
    """Say that the work has stopped for a signal; another one ends the process as it stands."""
    if not _heard.handling:
        return
    _heard.say_no_more()
    _heard.number = _heard.number or signal.SIGINT
    for number in _numbers("SIGINT", *_ENDING):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def finish(code: int) -> int:
    """Return the exit code that a process ends with; die of the signal that it was stopped by, if any."""
    if code == INTERRUPTED and _heard.number is not None and os.name == "posix":
        _run_what_was_registered_for_the_end()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        die(_heard.number)
    return code


def die(number: int) -> Never:
    """End this process as a program ends that never heard of the signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # where the signal is blocked


def _tell() -> None:
    output.talk(_("stopping in good order; Ctrl-C once more ends at once, and nothing is lost"))


def _run_what_was_registered_for_the_end() -> None:
    import atexit

    atexit._run_exitfuncs()  # noqa: SLF001  # there is no other way, and a signal runs none of them


def _numbers(*names: str) -> list[signal.Signals]:
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
