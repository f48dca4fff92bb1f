"""What a table of a file may hold, whatever language the file is written in: known keys, of the right type.

No value is ever quoted but words that we chose: anything may be a token in the wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Note(Protocol):
    """Take a mistake."""

    def __call__(
        self, at: tuple[str, ...], message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        """Take one about what stands at the path `at`, or about its `key` there."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """How a language writes what a sentence shows.

    Attributes:
        table: A table's name, with a blank.
        word: A key and a word as its value, with two blanks.
        tokens: Where a token may come from.
    """

    table: str
    word: str
    tokens: str

    def named(self, at: Iterable[str]) -> str:
        """Return a table's name."""
        return self.table.format(".".join(at))


TOML = Written("[{}]", '{} = "{}"', "{ env = … }, { file = … }, { command = … }")
YAML = Written("{}", "{}: {}", "{env: …}, {file: …}, {command: …}")


class Strictly:
    """Read values of tables, and note what is wrong with them."""

    def __init__(self, note: Note, written: Written) -> None:
        """Hand mistakes to `note`, in sentences that show what is `written` in the file's language."""
        self.note = note
        self.written = written

    def typed(self, table: Mapping[str, Any], key: str, kind: type, at: tuple[str, ...]) -> Any:
        """Return a value of this type, None where there is none or it is of another."""
        given = table.get(key)
        if given is None or (isinstance(given, kind) and (kind is bool or not isinstance(given, bool))):
            return given
        names = {bool: _("true or false"), int: _("a whole number"), str: _("a text in quotes")}
        self.note((*at, key), _("{key} is {what}").format(key=key, what=names[kind]))
        return None

    def only(self, table: Mapping[str, Any], known: Iterable[str], at: tuple[str, ...]) -> None:
        """Note every key that is not known, with the nearest that is."""
        words = list(known)
        for key in table:
            if key not in words:
                message = _("{table} has no key “{key}”") if at else _("there is no table {table}")
                named = self.written.named(at or (key,))
                near = get_close_matches(key.lower().replace("-", "_"), words, n=1)
                hint = _("did you mean: {names}").format(names=near[0] if near else _(", ").join(words))
                self.note((*at, key), message.format(table=named, key=key), hint, key=True)

    def table(self, document: Mapping[str, Any], key: str, at: tuple[str, ...]) -> dict[str, Any]:
        """Return a table of a table, an empty one where there is none."""
        given = document.get(key, {})
        if isinstance(given, dict):
            return given
        self.note(
            (*at, key), _("{key} is a table: {table}").format(key=key, table=self.written.named((key,)))
        )
        return {}
