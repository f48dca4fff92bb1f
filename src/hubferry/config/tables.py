"""Read the tables of a configuration file strictly: what is not known, or of another type, is a mistake.

A mistake is named with file, line and the nearest right key. No value is ever quoted but words that we chose:
anything may be a token in the wrong place.
"""

from __future__ import annotations

import os
import re
import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hubferry.config.lines import line_of
from hubferry.config.settings import Configuration, Default, HubSettings, TokenSource, normal_endpoint
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hubferry.config.settings import TokenKind
    from hubferry.model import HubName

_TABLES = ("hubs", "defaults")
_HUB_KEYS = ("kind", "endpoint", "token", "insecure", "concurrency", "commits_per_hour")
_TOKEN_KEYS: tuple[TokenKind, ...] = ("env", "file", "command")
_KINDS: dict[str, HubName] = {"hf": "hf", "ms": "ms"}
_NAME = re.compile(r"[a-z][a-z0-9_-]{1,30}[a-z0-9]|[a-z][a-z0-9]")
"""Two characters at least: one is a drive."""
_RESERVED = frozenset(
    {"huggingface", "modelscope", "file", "http", "https", "git", "ssh", "dir", "models", "datasets"}
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_CONNECTIONS = 1024
_MOST_COMMITS = 100_000
"""In an hour; more are no limit."""

DEFAULTS: dict[str, type] = {
    "jobs": int,
    "bwlimit": str,
    "cache_dir": str,
    "visibility": str,
    "card": str,
    "max_delete": str,
    "keep_going": bool,
    "no_cache": bool,
    "offline": bool,
}
"""Options of the command line that the file may set, and of which type they are there."""
SAID_EACH_TIME = frozenset(
    {"include", "exclude", "revision", "delete", "public", "private", "license", "message", "allow", "token"}
    | {"source_token", "destination_token", "source_endpoint", "destination_endpoint", "insecure"}
)
"""Options that say what one copy is about, gives away or trusts: they are not set once for all."""


class Reader:
    """Turn a parsed document into a `Configuration`, and collect what is wrong with it."""

    def __init__(self, path: Path, lines: Mapping[tuple[str, ...], int]) -> None:
        """Read the file at `path`, whose keys stand on `lines`."""
        self._found: list[tuple[int, UsageError]] = []
        self._path = path
        self._lines = lines

    @property
    def mistakes(self) -> list[UsageError]:
        """What is wrong, in the order of the lines."""
        return [error for _line, error in sorted(self._found, key=lambda one: one[0])]

    def configuration(self, document: dict[str, Any]) -> Configuration:
        """Return what the document says, as far as it is right."""
        self._only(document, _TABLES, ())
        hubs = self._table(document, "hubs", ())
        found = [self._hub(name, table) for name, table in hubs.items()]
        defaults = self._defaults(self._table(document, "defaults", ()))
        return Configuration(self._path, {hub.name: hub for hub in found if hub is not None}, defaults)

    def _hub(self, name: str, table: Any) -> HubSettings | None:
        at = ("hubs", name)
        if not isinstance(table, dict):
            self._mistake(at, _("a hub is a table: [hubs.{name}]").format(name=name))
            return None
        if not self._is_name(name, at):
            return None
        self._only(table, _HUB_KEYS, at)
        kind, endpoint = self._kind(name, table), self._endpoint(table, at)
        if name not in _KINDS and "endpoint" not in table:
            self._mistake(at, _("[hubs.{name}] does not say where it is: endpoint").format(name=name))
        token = self._token(table, at)
        limit = self._count(table, "concurrency", _MOST_CONNECTIONS, at)
        commits = self._count(table, "commits_per_hour", _MOST_COMMITS, at)
        insecure = self._typed(table, "insecure", bool, at) or False
        if kind is None or (name not in _KINDS and endpoint is None):
            return None
        return HubSettings(name, kind, endpoint, token, insecure, limit, commits, self._line(at))

    def _is_name(self, name: str, at: tuple[str, ...]) -> bool:
        if name in _RESERVED or not _NAME.fullmatch(name):
            self._mistake(
                at,
                _(
                    "“{name}” cannot be a hub's name: small letters, digits, “-” and “_”, two at least, "
                    "and no word that means something else before a colon"
                ).format(name=name),
            )
            return False
        return True

    def _kind(self, name: str, table: dict[str, Any]) -> HubName | None:
        at = ("hubs", name)
        given = self._typed(table, "kind", str, at)
        usual = _KINDS.get(name)
        if given is None:
            if usual is None and "kind" not in table:
                message = _('[hubs.{name}] does not say what it speaks: kind = "hf" or kind = "ms"')
                self._mistake(at, message.format(name=name))
            return usual
        kind = _KINDS.get(given)
        if kind is None or usual not in (None, kind):
            words = ('"hf"', '"ms"') if usual is None else (f'"{usual}"',)
            self._mistake((*at, "kind"), self._one_of("kind", words))
            return None
        return kind

    def _endpoint(self, table: dict[str, Any], at: tuple[str, ...]) -> str | None:
        given = self._typed(table, "endpoint", str, at)
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
            self._mistake((*at, "endpoint"), message)
            return None
        return normal_endpoint(given)

    def _token(self, table: dict[str, Any], at: tuple[str, ...]) -> TokenSource | None:
        at, given = (*at, "token"), table.get("token")
        if given is None:
            return None
        if isinstance(given, str) and given.strip():
            return TokenSource("clear", (given.strip(),))
        if not isinstance(given, dict):
            self._mistake(at, _("token is { env = … }, { file = … } or { command = … }"))
            return None
        self._only(given, _TOKEN_KEYS, at)
        known = [key for key in _TOKEN_KEYS if key in given]
        if len(known) != 1:
            if known or not given:
                self._mistake(at, _("a token comes from one place: env, file or command"))
            return None
        words = self._words(given[known[0]], known[0], at)
        return None if words is None else TokenSource(known[0], words)

    def _words(self, given: Any, key: str, at: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the variable, the path, or the words of the command."""
        if key == "command":
            words = self._command(given)
            if words is None:
                message = _('command is a list of words, or one line: ["pass", "show", "lab"]')
                self._mistake((*at, key), message)
            return words
        right = isinstance(given, str) and given.strip() and (key != "env" or _VARIABLE.fullmatch(given))
        if not right:
            name = _("the name of a variable") if key == "env" else _("the path of a file")
            self._mistake((*at, key), _("{key} is {what}").format(key=key, what=name))
            return None
        return (given.strip(),)

    @staticmethod
    def _command(given: Any) -> tuple[str, ...] | None:
        """Return a command's words; a line is split as a shell splits it, and no shell ever sees it."""
        if isinstance(given, str):
            try:
                given = shlex.split(given)
            except ValueError:
                return None
        right = isinstance(given, list) and given and all(isinstance(word, str) for word in given)
        return tuple(given) if right and given[0].strip() else None

    def _count(self, table: dict[str, Any], key: str, most: int, at: tuple[str, ...]) -> int | None:
        count: int | None = self._typed(table, key, int, at)
        if count is None or 1 <= count <= most:
            return count
        self._mistake((*at, key), _("{key} is a number from 1 to {most}").format(key=key, most=most))
        return None

    def _defaults(self, table: dict[str, Any]) -> dict[str, Default]:
        at = ("defaults",)
        for key in sorted(SAID_EACH_TIME & table.keys()):
            message = _("{key} is said with each copy, not once for all").format(key=key)
            self._mistake((*at, key), message)
        self._only({key: None for key in table if key not in SAID_EACH_TIME}, DEFAULTS, at)
        found = {}
        for key, kind in DEFAULTS.items():
            value = self._typed(table, key, kind, at)
            if value is not None:
                found[key] = Default(value, self._line((*at, key)))
        place = found.get("cache_dir")
        if place is not None and not _is_absolute(str(place.value)):
            self._mistake((*at, "cache_dir"), _("cache_dir is a whole path, from / or ~"))
        return found

    def _table(self, document: dict[str, Any], key: str, at: tuple[str, ...]) -> dict[str, Any]:
        given = document.get(key, {})
        if isinstance(given, dict):
            return given
        self._mistake((*at, key), _("{key} is a table: [{key}]").format(key=key))
        return {}

    def _typed(self, table: dict[str, Any], key: str, kind: type, at: tuple[str, ...]) -> Any:
        """Return a value of this type, None where there is none or it is of another."""
        given = table.get(key)
        if given is None or (isinstance(given, kind) and (kind is bool or not isinstance(given, bool))):
            return given
        names = {bool: _("true or false"), int: _("a whole number"), str: _("a text in quotes")}
        self._mistake((*at, key), _("{key} is {what}").format(key=key, what=names[kind]))
        return None

    def _only(self, table: Mapping[str, Any], known: Iterable[str], at: tuple[str, ...]) -> None:
        """Name every key that is not known, with the nearest that is."""
        words = list(known)
        for key in table:
            if key not in words:
                message = _("[{table}] has no key “{key}”") if at else _("there is no table [{key}]")
                message = message.format(table=".".join(at), key=key)
                near = get_close_matches(key.lower().replace("-", "_"), words, n=1)
                hint = _("did you mean: {names}").format(names=near[0] if near else _(", ").join(words))
                self._mistake((*at, key), message, hint)

    def _one_of(self, key: str, words: Iterable[str]) -> str:
        return _("{key} is one of: {names}").format(key=key, names=_(", ").join(words))

    def _mistake(self, at: tuple[str, ...], message: str, hint: str | None = None) -> None:
        line = self._line(at)
        where = str(self._path) if line is None else f"{self._path}:{line}"
        self._found.append((line or 0, UsageError(f"{where}: {message}", path=where, hint=hint)))

    def _line(self, at: tuple[str, ...]) -> int | None:
        return line_of(self._lines, at)


def _is_absolute(path: str) -> bool:
    return path.startswith(("~", "$", "%")) or os.path.isabs(path)  # noqa: PTH117 - no path is looked at
