"""Print: data to stdout, talk to stderr; on any terminal, pipe or encoding, and never a secret."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from contextlib import nullcontext, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from hubferry import units
from hubferry.cli.secrets import redact
from hubferry.i18n import _, language, set_language

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

_STAND_INS = {
    "✅": "[ok]",
    "❌": "[failed]",
    "⚠": "[!]",
    "🔍": "[?]",
    "📁": "[dir]",
    "📥": "[get]",
    "📤": "[send]",
    "📦": "[model]",
    "🧹": "[clean]",
    "💡": "[hint]",
    "\ufe0f": "",
    "→": "->",
    "…": "...",
    "·": "-",
    "—": "-",
    "×": "x",
    "█": "#",
    "░": ".",
    "≤": "<=",
    "≥": ">=",
    "，": ",",
    "。": ".",
    "：": ":",
}
SCHEMA = 1
"""Of every JSON document: raised when a key goes or comes to mean something else, not when one is added."""
_COLOURS = {"red": 31, "yellow": 33, "cyan": 36}


def prepare() -> None:
    """Make every stream take every text, and speak English where Chinese letters cannot be shown."""
    codecs.register_error("hubferry", _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="hubferry")
    if language() == "zh" and not all(_can_show(stream, "中") for stream in (sys.stdout, sys.stderr)):
        set_language("en")
    _let_click_speak()


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_STAND_INS.get(letter, "?") for letter in lost), error.end


def _can_show(stream: object, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _let_click_speak() -> None:
    # click and argparse ask gettext's global domain for their own words: "Usage:", "Options" and so on.
    import gettext

    from hubferry.i18n import _LOCALE_DIRECTORY

    os.environ["LANGUAGE"] = "zh_CN" if language() == "zh" else "en"
    gettext.bindtextdomain("hubferry", _LOCALE_DIRECTORY)
    gettext.textdomain("hubferry")


class Frame(Protocol):
    """Lines at the end of a terminal that are drawn anew, and give way to what is said."""

    def aside(self) -> AbstractContextManager[None]:
        """Take the lines away while somebody prints."""
        ...


frame: Frame | None = None
"""What is drawn on this terminal now."""


errors_as_lines = False
"""Whether a program reads stderr, as lines of JSON."""


def aside() -> AbstractContextManager[None]:
    """Make room for lines above what is drawn anew."""
    return nullcontext() if frame is None else frame.aside()


def presentable(text: str) -> str:
    """Return `text` without secrets and without control characters, line by line."""
    return "\n".join(visible(line.expandtabs()) for line in redact(text).split("\n"))


def data(text: str) -> None:
    """Print a line of the answer, to stdout."""
    print(presentable(text))


def talk(text: str = "", *, label: str = "", colour: str = "") -> None:
    """Print a line about the work, to stderr; a reader who has gone away does not stop the work.

    Args:
        text: What to say.
        label: What stands before it, such as `error:`.
        colour: Of the label, where the terminal has colours.
    """
    with suppress(OSError):  # whoever reads both in one stream gets them in order; `guard` reports it
        sys.stdout.flush()
    painted = f"\x1b[1;{_COLOURS[colour]}m{label}\x1b[0m" if colour and has_colours() else label
    try:
        with aside():
            print(painted + blank_after(label) + presentable(text), file=sys.stderr, flush=True)
    except BrokenPipeError:
        sys.stderr = nowhere()


def blank_after(label: str) -> str:
    """Return what stands between a label and its text; a full-width colon brings its own blank."""
    return "" if not label or label.endswith("：") else " "


def begin_line() -> None:
    """Leave the line in which a terminal has echoed Ctrl-C."""
    if is_terminal():
        talk()


def is_terminal() -> bool:
    """Return whether a person watches stderr on a terminal that can redraw a line."""
    term = os.environ.get("TERM") or ("windows" if os.environ.get("WT_SESSION") else "dumb")
    return sys.stderr.isatty() and term != "dumb"


def has_colours() -> bool:
    """Return whether stderr shows colours: a terminal, and nobody said NO_COLOR."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.name == "posix"


def nowhere() -> TextIO:
    """Return a stream that swallows what nobody reads any more; it lives as long as the process."""
    return Path(os.devnull).open("w", encoding="utf-8")


def document(value: Mapping[str, object], *, indent: int | None = 2) -> None:
    """Print one JSON document, to stdout; docs/json.md says what the keys of each mean."""
    print(redact(json.dumps({"schema": SCHEMA, **value}, ensure_ascii=False, indent=indent)))


size = units.size
visible = units.visible


def duration(seconds: float) -> str:
    """Return a time as a person reads it: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:  # noqa: PLR2004  # tenths are noise from here on
        return _("{seconds:.1f} s").format(seconds=seconds)
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return _("{seconds} s").format(seconds=rest)
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return _("{minutes} min {seconds:02d} s").format(minutes=minutes, seconds=rest)
    return _("{hours} h {minutes:02d} min").format(hours=hours, minutes=minutes_left)


def iso_time(timestamp: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(units.moment(timestamp), timezone.utc).isoformat(timespec="seconds")
