"""Which cells there are: who copies what over which link. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

Scenario = Literal["copy", "again", "changed", "killed", "fetch"]
COPIERS = ("hubferry", "download-then-upload", "hfms-bridge-4", "hfms-bridge-8")
# one file keeps one worker busy, however many there are
SINGLE = ("hubferry", "download-then-upload", "hfms-bridge-8", "curl")


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to measure over one link.

    Attributes:
        name: What the tables call it.
        scenario: A first copy, a second one, one after a shard was replaced, one killed and run
            again, a fetch.
        repository: Whose.
        link: Over which link.
        contestants: Who takes part.
    """

    name: str
    scenario: Scenario
    repository: str
    link: str
    contestants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    scenario: Scenario
    repository: str
    links: tuple[str, ...]
    contestants: tuple[str, ...]


_ROWS = (
    _Row("diffusers", "copy", "diffusers", ("open-tls", "wan-tls", "open", "wan", "border"), COPIERS),
    _Row("big", "copy", "big", ("open", "wan", "border"), SINGLE),
    _Row("many", "copy", "many", ("open-tls", "wan-tls", "open", "wan"), COPIERS),
    _Row("again", "again", "diffusers", ("open-tls", "open", "wan"), COPIERS),
    _Row("changed", "changed", "diffusers", ("wan",), COPIERS),
    _Row("killed", "killed", "diffusers", ("wan",), COPIERS),
    _Row("fetch", "fetch", "big", ("border",), ("hubferry-fetch", "aria2c")),
    _Row("fetch-diffusers", "fetch", "diffusers", ("open-tls", "open"), ("hubferry-fetch",)),
    _Row("memory-small", "copy", "memory-small", ("open",), ("hubferry",)),
    _Row("memory-large", "copy", "memory-large", ("open",), ("hubferry",)),
)
_GROUPS = {"memory-small": "memory", "memory-large": "memory", "fetch-diffusers": "fetch"}
WITHOUT_HUBS = "startup"
CHOICES = (*dict.fromkeys(_GROUPS.get(row.name, row.name) for row in _ROWS), WITHOUT_HUBS)


def cells(names: Collection[str], links: Collection[str], contestants: Collection[str]) -> list[Cell]:
    """Return the cells that were asked for; an empty choice takes the default.

    A link that was named is taken for every row, also where it is not measured by default.
    """
    found = []
    for row in _ROWS:
        if names and _GROUPS.get(row.name, row.name) not in names:
            continue
        who = tuple(name for name in row.contestants if not contestants or name in contestants)
        found += [
            Cell(row.name, row.scenario, row.repository, link, who)
            for link in (links or row.links)
            if who and (link in row.links or names)
        ]
    return found


def repositories(chosen: Collection[Cell]) -> set[str]:
    """Return the repositories that the cells need."""
    return {cell.repository for cell in chosen}
