"""Read the tables of a configuration file strictly: what is not known, or of another type, is a mistake.

A mistake is named with file, line and the nearest right key. No value is ever quoted but words that we chose:
anything may be a token in the wrong place.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hubferry.config.hub_tables import HubTables
from hubferry.config.lines import line_of
from hubferry.config.settings import Configuration, Default
from hubferry.config.strict import TOML
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hubferry.config.settings import HubSettings

_TABLES = ("hubs", "defaults")

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
        self._tables = HubTables(self._mistake, TOML)

    @property
    def mistakes(self) -> list[UsageError]:
        """What is wrong, in the order of the lines."""
        return [error for _line, error in sorted(self._found, key=lambda one: one[0])]

    def configuration(self, document: dict[str, Any]) -> Configuration:
        """Return what the document says, as far as it is right."""
        self._tables.only(document, _TABLES, ())
        hubs = self._tables.table(document, "hubs", ())
        found = [self._hub(name, table) for name, table in hubs.items()]
        defaults = self._defaults(self._tables.table(document, "defaults", ()))
        return Configuration(self._path, {hub.name: hub for hub in found if hub is not None}, defaults)

    def _hub(self, name: str, table: Any) -> HubSettings | None:
        hub = self._tables.hub(name, table)
        return None if hub is None else replace(hub, line=self._line(("hubs", name)))

    def _defaults(self, table: dict[str, Any]) -> dict[str, Default]:
        at = ("defaults",)
        for key in sorted(SAID_EACH_TIME & table.keys()):
            message = _("{key} is said with each copy, not once for all").format(key=key)
            self._mistake((*at, key), message)
        self._tables.only({key: None for key in table if key not in SAID_EACH_TIME}, DEFAULTS, at)
        found = {}
        for key, kind in DEFAULTS.items():
            value = self._tables.typed(table, key, kind, at)
            if value is not None:
                found[key] = Default(value, self._line((*at, key)))
        place = found.get("cache_dir")
        if place is not None and not _is_absolute(str(place.value)):
            self._mistake((*at, "cache_dir"), _("cache_dir is a whole path, from / or ~"))
        return found

    def _mistake(
        self, at: tuple[str, ...], message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        del key  # a line has both
        line = self._line(at)
        where = str(self._path) if line is None else f"{self._path}:{line}"
        self._found.append((line or 0, UsageError(f"{where}: {message}", path=where, hint=hint)))

    def _line(self, at: tuple[str, ...]) -> int | None:
        return line_of(self._lines, at)


def _is_absolute(path: str) -> bool:
    return path.startswith(("~", "$", "%")) or os.path.isabs(path)  # noqa: PTH117 - no path is looked at
