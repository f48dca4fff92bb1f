"""What stands around every page of a repository: its name, its tabs, its branches and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubferry.pages.application import link
from hubferry.serve.pages.place import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from hubferry.serve.pages.sources import Shown

_MOST_NAMES = 100
DEFAULT = "main"


def said_revision(shown: Shown) -> str | None:
    """Return the revision that has to be said to get this; None for the default branch, by either name."""
    return shown.place.revision if shown.place.revision not in (DEFAULT, "master") else None


async def around(request: web.Request, shown: Shown, tab: str) -> Mapping[str, Any]:
    """Return what the frame of a repository's page says."""

    def at(view: str, path: str = "", name: str | None = None) -> str:
        place = link(request, shown.place.base)
        below = link(request, f"/{path}").removeprefix(link(request, "")) if path else ""
        return f"{place}/{view}/{escaped(name or revision)}{below}"

    revision = shown.place.revision or DEFAULT
    names = [*shown.branches, *shown.tags]
    return {
        "shown": shown,
        "entry": shown.entry,
        "place": shown.place,
        "commit": shown.commit,
        "head": await shown.head(),
        "tab": tab,
        "revision": revision,
        "at": at,
        "whole": sum(file.size for file in shown.tree.files.values()) if shown.source is not None else 0,
        "named": revision in (*names, DEFAULT, "master"),
        "branches": sorted(shown.branches, key=lambda name: (name != DEFAULT, name))[:_MOST_NAMES],
        "tags": sorted(shown.tags, reverse=True)[:_MOST_NAMES],
    }
