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
from hubferry.hubs.http import answers
from hubferry.i18n import set_language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def ferry(words: tuple[str, ...], environment: Mapping[str, str], home: Path) -> Ended:
    """Run `hubferry WORDS` with this environment in this directory; afterwards nothing of it is left here."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _stream in range(2))
    with _process(environment, home), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.argv = sys.argv, ["hubferry", *words]
        try:
            code = main.main()
        finally:
            sys.argv = before
    for stream in (out, err):
        stream.flush()
    raw, said = (stream.buffer.getvalue() for stream in (out, err))
    return Ended(code, raw.decode(errors="replace"), said.decode(), raw)


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
    answers._tokens.clear()  # what is not told again would else be hidden all the same
    output.errors_as_lines = False
