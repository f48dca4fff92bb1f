"""What is wrong with a mirror file: collected in one reading, named in the order of the file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hubferry.sync.spec import Position

_MOST = 50
"""Mistakes that one reading names."""


class Mistakes:
    """Collect mistakes, each `file:line:column: sentence`."""

    def __init__(self, path: Path) -> None:
        """Collect those of the file at `path`."""
        self._path = path
        self._found: dict[tuple[int, int, str], UsageError] = {}

    def add(self, position: Position, message: str, hint: str | None = None) -> None:
        """Take one; what is used in several places, and wrong in one, is named once."""
        where = f"{self._path}:{position.line}:{position.column}"
        error = UsageError(f"{where}: {message}", path=where, hint=hint)
        self._found.setdefault((position.line, position.column, message), error)

    def errors(self) -> list[UsageError]:
        """Return them in the order of the file; of very many the first, and how many more there are."""
        every = [error for _at, error in sorted(self._found.items(), key=lambda one: one[0])]
        more = len(every) - _MOST
        if more <= 0:
            return every
        sentence = ngettext(
            "{path}: and {count} more mistake", "{path}: and {count} more mistakes", more
        ).format(path=self._path, count=more)
        return [*every[:_MOST], UsageError(sentence, path=str(self._path))]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint: the nearest right word, or all there are."""
    words = list(known)
    near = get_close_matches(word.lower().replace("-", "_"), words, n=1) or get_close_matches(
        word, words, n=1
    )
    return _("did you mean: {names}").format(names=near[0] if near else _(", ").join(words))


def said_of(key: str, message: str) -> str:
    """Return a sentence with the key that it is about."""
    return _("{key}: {message}").format(key=key, message=message)


def shown(key: str) -> str:
    """Return a key as a message has it: on one line, and not all of something that is no key."""
    most = 40
    word = "".join(character if character.isprintable() else "\ufffd" for character in key)
    return word if len(word) <= most else word[:most] + "…"
