"""Read the values of a mirror file strictly: of the type that their key has, in the words that it takes.

A value is never quoted in a message: anything may be a token in the wrong place.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from hubferry import units
from hubferry.i18n import _
from hubferry.sync import expressions
from hubferry.sync.mistakes import nearest, said_of, shown
from hubferry.sync.nodes import Items, Scalar, Table, truth, whole_number
from hubferry.sync.spec import Position

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from hubferry.sync.expressions import WrongExpression
    from hubferry.sync.mistakes import Mistakes
    from hubferry.sync.nodes import Node

Word = TypeVar("Word", bound=str)
_LONGEST = 1000
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])", re.IGNORECASE | re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[-+]\d\d:\d\d)?)?", re.ASCII)
_CAP = re.compile(r"\d{1,12}|\d{1,3}(\.\d{1,6})?%", re.ASCII)
_LARGEST = 1 << 62


class Values:
    """Turn nodes into values, and collect what is wrong with them; None where something is."""

    def __init__(self, mistakes: Mistakes) -> None:
        """Collect in `mistakes`."""
        self.mistakes = mistakes
        self._judged: dict[str, WrongExpression | None] = {}

    def only(self, table: Table, known: Collection[str], where: str | None) -> None:
        """Name every key that is not known, with the nearest that is.

        Args:
            table: Whose keys.
            known: Those that it may have.
            where: What it is called; None for the whole file.
        """
        message = _("{table} has no key “{key}”") if where else _("a mirror file has no key “{key}”")
        for key, pair in table.pairs.items():
            if key not in known:
                said = message.format(table=where, key=shown(key))
                self.mistakes.add(pair.position, said, nearest(key, known))

    def text(self, node: Node, key: str) -> str | None:
        """Return a text on one line or several, which is no number, date or truth by YAML's rules."""
        if not isinstance(node, Scalar):
            self._wrong(node, _("{key} is a text").format(key=key))
        elif node.is_nothing or not node.text.strip():
            self._wrong(node, _("{key} is empty").format(key=key))
        elif node.is_ambiguous:
            message = _("{key} is a text, and without quotes YAML takes this for something else")
            self._wrong(node, message.format(key=key), _("write it in quotes"))
        elif len(node.text) > _LONGEST:
            self._wrong(node, _("{key} is longer than {most} characters").format(key=key, most=_LONGEST))
        elif not all(character.isprintable() or character == "\n" for character in node.text):
            self._wrong(node, _("{key} has characters that cannot be printed").format(key=key))
        else:
            return node.text.strip()
        return None

    def line(self, node: Node, key: str) -> str | None:
        """Return a text on one line."""
        text = self.text(node, key)
        if text is not None and "\n" in text:
            self._wrong(node, _("{key} is one line").format(key=key))
            return None
        return text

    def lines(self, node: Node, key: str) -> tuple[str, ...]:
        """Return a list of texts, those that are right; one text is a list of one."""
        return tuple(word for word, _node in self._each(node, key))

    def _each(self, node: Node, key: str) -> list[tuple[str, Scalar]]:
        if isinstance(node, Table) or (isinstance(node, Scalar) and node.is_nothing):
            self._wrong(node, _("{key} is a list of texts").format(key=key), f'{key}: ["…", "…"]')
            return []
        found = []
        for item in node.items if isinstance(node, Items) else [node]:
            word = self.line(item, key)
            if word is not None and isinstance(item, Scalar):
                found.append((word, item))
        return found

    def globs(self, node: Node, key: str) -> tuple[str, ...]:
        """Return patterns of paths inside a repository."""
        for word, item in self._each(node, key):
            if word.startswith(("/", "./", "../")) or "\\" in word:
                message = _("{key} matches paths as the repository has them: folder/*.json, without ./ or \\")
                self._wrong(item, message.format(key=key))
        return self.lines(node, key)

    def expressions(self, node: Node, key: str) -> tuple[str, ...]:
        """Return regular expressions, each of which compiles and comes to an end on every name."""
        right = []
        for word, item in self._each(node, key):
            if word not in self._judged:  # an alias may bring it back a thousand times
                self._judged[word] = expressions.wrong(word)
            wrong = self._judged[word]
            if wrong is None:
                right.append(word)
                continue
            at = item.position
            if wrong.at is not None and item.verbatim is not None:
                at = Position(at.line, at.column + item.verbatim + wrong.at)
            self.mistakes.add(at, said_of(key, wrong.message), wrong.hint)
        return tuple(right)

    def choice(self, node: Node, key: str, words: Sequence[Word]) -> Word | None:
        """Return one of these words."""
        if isinstance(node, Scalar):
            for word in words:
                if node.text == word:
                    return word
        message = _("{key} is one of: {names}").format(key=key, names=_(", ").join(words))
        near = nearest(node.text, words) if isinstance(node, Scalar) and node.text else None
        self._wrong(node, message, near if near and near != nearest("\0", words) else None)
        return None

    def choices(self, node: Node, key: str, words: Sequence[str]) -> frozenset[str]:
        """Return some of these words."""
        items: Iterable[Node] = node.items if isinstance(node, Items) else [node]
        return frozenset(word for item in items if (word := self.choice(item, key, words)) is not None)

    def flag(self, node: Node, key: str) -> bool | None:
        """Return true or false; `yes`, `on` and 1 are none."""
        said = truth(node)
        if said is None:
            self._wrong(node, _("{key} is true or false").format(key=key))
        return said

    def number(self, node: Node, key: str, least: int, most: int) -> int | None:
        """Return a whole number between two."""
        number = whole_number(node)
        if number is not None and least <= number <= most:
            return number
        message = _("{key} is a whole number from {least} to {most}")
        self._wrong(node, message.format(key=key, least=least, most=most))
        return None

    def size(self, node: Node, key: str) -> int | None:
        """Return the bytes of `50G`."""
        size = None
        if isinstance(node, Scalar) and len(node.text) <= _LARGEST.bit_length():
            size = units.read_size(node.text)
        if size is None or not 0 < size < _LARGEST:
            self._wrong(node, _("{key} is a size such as 500M, 50G or 1.5T").format(key=key))
            return None
        return size

    def age(self, node: Node, key: str) -> float | None:
        """Return the seconds of `30d`."""
        match = _AGE.fullmatch(node.text) if isinstance(node, Scalar) else None
        seconds = None if match is None else float(match[1]) * _SECONDS[match[2].lower()]
        if not seconds:
            self._wrong(node, _("{key} is a time such as 90m, 12h, 30d or 2w").format(key=key))
            return None
        return seconds

    def moment_or_age(self, node: Node, key: str) -> tuple[float | None, float | None]:
        """Return seconds since 1970 of `2024-05-01`, in UTC unless it says where, or the seconds of `30d`."""
        text = node.text if isinstance(node, Scalar) else ""
        if match := _AGE.fullmatch(text):
            return None, float(match[1]) * _SECONDS[match[2].lower()] or None
        if _DATE.fullmatch(text):
            try:
                at = datetime.fromisoformat(text.replace("Z", "+00:00"))
                return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp(), None
            except (ValueError, OverflowError):
                pass
        self._wrong(node, _("{key} is a date such as 2024-05-01, or a time such as 30d").format(key=key))
        return None, None

    def cap(self, node: Node, key: str) -> str | None:
        """Return `20` or `10%`."""
        text = node.text if isinstance(node, Scalar) else ""
        if _CAP.fullmatch(text) and not (text.endswith("%") and float(text[:-1]) > 100):  # noqa: PLR2004 - all
            return text
        self._wrong(node, _("{key} is a number of files such as 20, or a share such as 10%").format(key=key))
        return None

    def _wrong(self, node: Node, message: str, hint: str | None = None) -> None:
        self.mistakes.add(node.position, message, hint)
