"""The language of what a person reads: English is the source text, Chinese a gettext catalog."""

from __future__ import annotations

import gettext
import os
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCALE_DIRECTORY = Path(__file__).parent / "locale"
_CHOSEN: list[str] = []
_SPOKEN: ContextVar[str | None] = ContextVar("spoken", default=None)


def set_language(language: str | None) -> None:
    """Speak `language` (`"en"`, `"zh"`) from now on; None goes back to what the environment says."""
    _CHOSEN[:] = [language] if language else []


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak `language` inside of the block, whatever was set; other tasks and threads go on as they do.

    A server answers readers of several languages at once. What the block awaits, and what it hands to
    `asyncio.to_thread`, speaks as it does.
    """
    before = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(before)


def language() -> str:
    """Return `"zh"` or `"en"`: what the block speaks, else what was set, else HUBFERRY_LANG, else the locale.

    The order among the locale's variables is gettext's own: LANGUAGE, LC_ALL, LC_MESSAGES, LANG.
    """
    spoken = _SPOKEN.get()
    if spoken is not None:
        return spoken
    if _CHOSEN:
        return _CHOSEN[0]
    for variable in ("HUBFERRY_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@lru_cache(maxsize=2)
def _translations(name: str) -> gettext.NullTranslations:
    if name == "en":
        return gettext.NullTranslations()
    return gettext.translation("hubferry", _LOCALE_DIRECTORY, languages=["zh_CN"], fallback=True)


def _(message: str) -> str:
    """Translate `message` into the language of the moment."""
    return _translations(language()).gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Translate a sentence that counts `count` things."""
    return _translations(language()).ngettext(singular, plural, count)


def N_(message: str) -> str:  # noqa: N802  # gettext's own name for it
    """Mark a word for the catalog that is translated where it is shown."""
    return message
