"""The first page: how full the disk is, what needs attention, what moves, what the last runs did."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import quota
from hubferry.errors import HubferryError
from hubferry.i18n import _, language
from hubferry.pages import Share
from hubferry.places import nearest_directory
from hubferry.ui import cache_view, sync_view
from hubferry.ui.site import LastLook, off_loop, show, site_of
from hubferry.units import size

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.sync.history.values import PastRun
    from hubferry.transfers.desk import Board
    from hubferry.ui.cache_view import Cache, Row
    from hubferry.ui.runs import Seen
    from hubferry.ui.site import Site

_MOST_NEEDING, _MOST_LARGE, _MOST_RUNS = 8, 6, 4
_FRESH = 10.0
"""Seconds that a look at the cache is good for while a page is asked for again and again."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that new models go to."""

    total: int
    free: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the page shows."""

    cache: Cache
    disk: Disk | None
    needing: tuple[Row, ...]
    largest: tuple[Row, ...]
    board: Board
    runs: tuple[Seen, ...]
    mirrors: tuple[PastRun, ...]

    @property
    def parts(self) -> list[Share]:
        """What the disk is filled with: the cache, other things, nothing."""
        if self.disk is None:
            return []
        cached = min(self.cache.listing.disk, self.disk.total - self.disk.free)
        other = self.disk.total - self.disk.free - cached
        amounts = ((_("Cache"), cached), (_("Everything else"), other), (_("Free"), self.disk.free))
        return [Share(label, float(amount), size(amount)) for label, amount in amounts]


async def show_overview(request: web.Request) -> web.Response:
    """Show the first page."""
    seen = await off_loop(request, _look, site_of(request))
    return await show(request, "overview.html", seen=seen)


def _look(site: Site) -> Overview:
    board = site.board()
    cache = _cache(site, board)
    rows = sorted(cache.rows, key=lambda row: -row.model.disk)
    return Overview(
        cache,
        _disk(cache),
        cache.needing()[:_MOST_NEEDING],
        tuple(rows[:_MOST_LARGE]),
        board,
        tuple(site.runs.all(board)),
        sync_view.last_runs(site.settings, _MOST_RUNS),
    )


def _cache(site: Site, board: Board) -> Cache:
    """Return the cache as it was a moment ago: this page is asked for each second while something moves."""
    now, last = time.monotonic(), site.last_look
    if last is not None and board.running and now - last.at < _FRESH and last.language == language():
        return last.cache
    cache = cache_view.look(site.settings)
    site.last_look = LastLook(now, language(), cache)
    return cache


def _disk(cache: Cache) -> Disk | None:
    if not cache.roots:
        return None
    limit = None
    with suppress(HubferryError):
        limit = quota.limit()
    with suppress(OSError):
        usage = shutil.disk_usage(nearest_directory(cache.roots[0]))
        return Disk(usage.total, usage.free, limit)
    return None
