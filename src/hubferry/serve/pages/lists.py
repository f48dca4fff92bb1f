"""Pages that list repositories: the first one, those of an owner, models, datasets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from hubferry.serve.addresses import absolute
from hubferry.serve.hub import account_of
from hubferry.serve.pages.showing import show
from hubferry.serve.pages.sources import PROVIDERS, Details, Entry
from hubferry.serve.pages.using import of_hub
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp import web

    from hubferry.serve.pages.place import Place

A_PAGE = 30
_ORDERS = ("changed", "created", "name")
_LONGEST_SEARCH = 200
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class _Wish:
    """What of a list is wanted."""

    search: str
    kind: str | None
    owner: str
    order: str
    page: int


async def show_list(request: web.Request, place: Place) -> web.StreamResponse:
    """Show the repositories that a reader may see, some at a time."""
    wish = _wished(request, place)
    providers = request.app[PROVIDERS]
    entries = [entry for provider in providers for entry in await provider.entries(request)]
    found = await asyncio.to_thread(_chosen, entries, wish)
    if wish.owner and not any(_owner(entry) == wish.owner for entry in entries):
        account_of(request)
        raise Refusal(Reason.REPOSITORY_MISSING, "Repository not found", about=wish.owner)
    last = max(1, -(-len(found) // A_PAGE))
    page = min(wish.page, last)
    shown = found[(page - 1) * A_PAGE : page * A_PAGE]
    details: dict[tuple[str, str], Details] = {}
    for provider in providers:
        details.update(
            await provider.details([one for one in shown if (one.kind, one.repo_id) not in details])
        )
    first = place.kind is None and not place.owner and not wish.search and page == 1
    return await show(
        request,
        "list.html",
        place=place,
        entries=shown,
        details=details,
        nothing=Details(),
        total=len(found),
        everything=len(entries),
        counts=_counts(entries, wish),
        wish=wish,
        page=page,
        last=last,
        orders=_ORDERS,
        standing=[said for provider in providers if first and (said := await provider.standing(request))],
        first=first,
        here_ways=of_hub(absolute(request, "")),
        example=f"HF_ENDPOINT={absolute(request, '')} hf upload my-org/my-model ./folder",
    )


def _wished(request: web.Request, place: Place) -> _Wish:
    query = request.query
    asked = {"models": "model", "datasets": "dataset"}.get(query.get("kind", ""))
    kind = place.kind if place.kind is not None and not place.owner else asked
    order = query.get("sort", "")
    return _Wish(
        query.get("search", query.get("q", "")).strip()[:_LONGEST_SEARCH],
        kind,
        place.owner,
        order if order in _ORDERS else _ORDERS[0],
        page_number(request),
    )


def page_number(request: web.Request) -> int:
    """Return which part of a list is asked for, counted from 1; the first for what is no number."""
    text = request.query.get("part", "")
    return min(_MOST_PAGES, max(1, int(text))) if text.isascii() and text.isdigit() and len(text) < 9 else 1  # noqa: PLR2004


def _owner(entry: Entry) -> str:
    return entry.repo_id.partition("/")[0]


def _chosen(entries: Sequence[Entry], wish: _Wish) -> list[Entry]:
    """Return what fits, in order: names that begin as the search does come first."""
    words = wish.search.lower().split()
    found = [
        entry
        for entry in entries
        if (wish.kind in (None, entry.kind))
        and (not wish.owner or _owner(entry) == wish.owner)
        and all(word in entry.repo_id.lower() for word in words)
    ]
    orders: Mapping[str, Callable[[Entry], object]] = {
        "changed": lambda entry: (-(entry.changed or 0.0), entry.repo_id),
        "created": lambda entry: (-(entry.created or entry.changed or 0.0), entry.repo_id),
        "name": attrgetter("repo_id"),
    }
    found.sort(key=orders[wish.order])  # type: ignore[arg-type]  # tuples or texts, never both
    return found


def _counts(entries: Sequence[Entry], wish: _Wish) -> Mapping[str, int]:
    mine = [entry for entry in entries if not wish.owner or _owner(entry) == wish.owner]
    models = sum(entry.kind == "model" for entry in mine)
    return {"all": len(mine), "models": models, "datasets": len(mine) - models}
