"""Run a command in this process, as if it were one of its own: tests of many commands are quicker so."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from desks import Ended

from hubferry.cli import main, output, secrets
from hubferry.config import tokens
from hubferry.i18n import set_language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def ferry(words: tuple[str, ...], environment: Mapping[str, str], home: Path) -> Ended:
    """Run `hubferry WORDS` with this environment in this directory; afterwards nothing of it is left here."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _stream in range(2))
    with _process(environment, home), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.argv = sys.argv, ["hubferry", *words]
        try:
            code = main.main()
        finally:
            sys.argv = before
    for stream in (out, err):
        stream.flush()
    return Ended(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


@contextlib.contextmanager
def _process(environment: Mapping[str, str], home: Path) -> Iterator[None]:
    kept, place = dict(os.environ), os.getcwd()  # noqa: PTH109
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(home)
    _forget()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
        os.chdir(place)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        gc.enable()
        _forget()


def _forget() -> None:
    set_language(None)
    secrets._stored.cache_clear()
    tokens._obtained.clear()
    output.errors_as_lines = False
