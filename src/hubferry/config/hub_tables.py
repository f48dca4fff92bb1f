"""Read what a file says of hubs; the configuration file and mirror files say it in the same words."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hubferry.config.settings import HubSettings, TokenSource, normal_endpoint
from hubferry.config.strict import Strictly
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hubferry.config.settings import TokenKind
    from hubferry.config.strict import Note, Written
    from hubferry.model import HubName

HUB_KEYS = ("kind", "endpoint", "token", "insecure", "concurrency", "commits_per_hour")
TOKEN_KEYS: tuple[TokenKind, ...] = ("env", "file", "command")
_KINDS: dict[str, HubName] = {"hf": "hf", "ms": "ms"}
_NAME = re.compile(r"[a-z][a-z0-9_-]{1,30}[a-z0-9]|[a-z][a-z0-9]")
"""Two characters at least: one is a drive."""
_RESERVED = frozenset(
    {"huggingface", "modelscope", "file", "http", "https", "git", "ssh", "dir", "models", "datasets"}
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_CONNECTIONS = 1024
MOST_COMMITS = 100_000
"""In an hour; more are no limit."""


class HubTables(Strictly):
    """Turn tables of hubs into `HubSettings`.

    Attributes:
        shared: Whether the file is one that people hand on, so that a token in clear has no place in it.
    """

    def __init__(self, note: Note, written: Written, *, shared: bool = False) -> None:
        """Read tables of a file; see `Strictly`."""
        super().__init__(note, written)
        self.shared = shared

    def hub(self, name: str, table: Any, known: HubSettings | None = None) -> HubSettings | None:
        """Return what a table says of a hub, None where it cannot be told.

        Args:
            name: What stands before the colon.
            table: As it was read.
            known: What another file says of it: kind and endpoint need not be said again.
        """
        at = ("hubs", name)
        if not isinstance(table, dict):
            self.note(at, _("a hub is a table: {table}").format(table=self.written.named(at)))
            return None
        if not self._is_name(name, at):
            return None
        self.only(table, HUB_KEYS, at)
        kind, endpoint = self._kind(name, table, known), self._endpoint(table, at)
        placed = name in _KINDS or known is not None
        if not placed and "endpoint" not in table:
            message = _("{table} does not say where it is: endpoint")
            self.note(at, message.format(table=self.written.named(at)), key=True)
        token = self._token(table, at)
        limit = self._count(table, "concurrency", MOST_CONNECTIONS, at)
        commits = self._count(table, "commits_per_hour", MOST_COMMITS, at)
        insecure = self.typed(table, "insecure", bool, at) or False
        if kind is None or (not placed and endpoint is None):
            return None
        said = frozenset(key for key in HUB_KEYS if key in table)
        return HubSettings(
            name,
            kind,
            endpoint,
            token,
            insecure,
            concurrency=limit,
            commits_per_hour=commits,
            said=said,
        )

    def _is_name(self, name: str, at: tuple[str, ...]) -> bool:
        if name in _RESERVED or not _NAME.fullmatch(name):
            message = _(
                "“{name}” cannot be a hub's name: small letters, digits, “-” and “_”, two at least, "
                "and no word that means something else before a colon"
            )
            self.note(at, message.format(name=name), key=True)
            return False
        return True

    def _kind(self, name: str, table: dict[str, Any], known: HubSettings | None) -> HubName | None:
        at = ("hubs", name)
        given = self.typed(table, "kind", str, at)
        usual = _KINDS.get(name)
        if given is None:
            if usual is None and "kind" not in table and known is None:
                right = (self.written.word.format("kind", "hf"), self.written.word.format("kind", "ms"))
                message = _("{table} does not say what it speaks: {one} or {other}")
                words = {"table": self.written.named(at), "one": right[0], "other": right[1]}
                self.note(at, message.format(**words), key=True)
            return usual or (known.kind if known and "kind" not in table else None)
        kind = _KINDS.get(given)
        if kind is None or usual not in (None, kind):
            words_right = ('"hf"', '"ms"') if usual is None else (f'"{usual}"',)
            self.note((*at, "kind"), _one_of("kind", words_right))
            return None
        return kind

    def _endpoint(self, table: dict[str, Any], at: tuple[str, ...]) -> str | None:
        given = self.typed(table, "endpoint", str, at)
        if given is None:
            return None
        try:
            parts = urlsplit(given)
            right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            plain = not (parts.username or parts.query or parts.fragment)
        except ValueError:
            right = plain = False
        if not (right and plain):
            message = _(
                "endpoint is a web address such as https://hub.example.com, without a login or a query"
            )
            self.note((*at, "endpoint"), message)
            return None
        return normal_endpoint(given)

    def _token(self, table: dict[str, Any], at: tuple[str, ...]) -> TokenSource | None:
        at, given = (*at, "token"), table.get("token")
        if given is None:
            return None
        if isinstance(given, str) and given.strip():
            return self._in_clear(given, at)
        if not isinstance(given, dict):
            self.note(at, _("token is one of: {names}").format(names=self.written.tokens))
            return None
        self.only(given, TOKEN_KEYS, at)
        known = [key for key in TOKEN_KEYS if key in given]
        if len(known) != 1:
            if known or not given:
                self.note(at, _("a token comes from one place: env, file or command"))
            return None
        words = self._words(given[known[0]], known[0], at)
        return None if words is None else TokenSource(known[0], words)

    def _in_clear(self, given: str, at: tuple[str, ...]) -> TokenSource | None:
        if not self.shared:
            return TokenSource("clear", (given.strip(),))
        message = _(
            "a token in clear has no place in a mirror file, which is kept and shown with other files"
        )
        self.note(at, message, _("token: {env: LAB_TOKEN}, or {file: …}, or {command: …}"))
        return None

    def _words(self, given: Any, key: str, at: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the variable, the path, or the words of the command."""
        if key == "command":
            words = _command(given)
            if words is None:
                message = _('command is a list of words, or one line: ["pass", "show", "lab"]')
                self.note((*at, key), message)
            return words
        right = isinstance(given, str) and given.strip() and (key != "env" or _VARIABLE.fullmatch(given))
        if not right:
            name = _("the name of a variable") if key == "env" else _("the path of a file")
            self.note((*at, key), _("{key} is {what}").format(key=key, what=name))
            return None
        return (given.strip(),)

    def _count(self, table: Mapping[str, Any], key: str, most: int, at: tuple[str, ...]) -> int | None:
        count: int | None = self.typed(table, key, int, at)
        if count is None or 1 <= count <= most:
            return count
        self.note((*at, key), _("{key} is a number from 1 to {most}").format(key=key, most=most))
        return None


def _command(given: Any) -> tuple[str, ...] | None:
    """Return a command's words; a line is split as a shell splits it, and no shell ever sees it."""
    if isinstance(given, str):
        try:
            given = shlex.split(given)
        except ValueError:
            return None
    right = isinstance(given, list) and given and all(isinstance(word, str) for word in given)
    return tuple(given) if right and given[0].strip() else None


def _one_of(key: str, words: Iterable[str]) -> str:
    return _("{key} is one of: {names}").format(key=key, names=_(", ").join(words))
