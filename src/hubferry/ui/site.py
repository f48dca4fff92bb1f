"""What the pages of one application have in common, and how each is shown."""

from __future__ import annotations

import asyncio
import functools
import os
import shlex
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aiohttp import web

from hubferry.i18n import speaking
from hubferry.pages import Templates, read_form, reader_of
from hubferry.pages.application import link
from hubferry.places import from_home
from hubferry.transfers import desk
from hubferry.ui.checks import Checks
from hubferry.ui.plans import Plans
from hubferry.ui.receipt_view import Holdings
from hubferry.ui.runs import Runs
from hubferry.units import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.ui.cache_view import Cache
    from hubferry.ui.settings import Settings

Given = ParamSpec("Given")
Found = TypeVar("Found")

TEMPLATES = Templates(Path(__file__).parent / "templates")


@dataclass(frozen=True, slots=True)
class LastLook:
    """The cache as the first page showed it last: when by the monotonic clock, and in which language."""

    at: float
    language: str
    cache: Cache


class Site:
    """The pages of one application."""

    def __init__(self, settings: Settings) -> None:
        """Read nothing yet."""
        self.settings = settings
        self.desk = desk.place()
        self.runs = Runs()
        self.plans = Plans()
        self.checks = Checks()
        self.receipts = Holdings()
        self.last_look: LastLook | None = None

    def version(self) -> tuple[object, ...]:
        """Return another value whenever something in this process changed that a page shows."""
        return (self.runs.count, self.plans.version, self.checks.version, self.receipts.version)

    def board(self) -> desk.Board:
        """Return what is said of transfers. Blocks."""
        board = desk.look(self.desk)
        if not self.settings.own_process:
            return board
        own = os.getpid()
        return desk.Board(
            tuple(one for one in board.running if one.pid == own),
            tuple(one for one in board.finished if one.pid == own),
        )

    async def close(self) -> None:
        """End what is done in this process; copies in processes of their own go on."""
        await self.plans.close()
        await self.checks.close()
        await self.receipts.close()


MARK: web.RequestKey[str] = web.RequestKey("what there was to show", str)
"""Of a request: what there was to show before its page was made."""
SITE: web.AppKey[Site] = web.AppKey("ui", Site)


def site_of(request: web.Request) -> Site:
    """Return the pages that a request is for."""
    return request.app[SITE]


def address(request: web.Request, path: str, **query: object) -> str:
    """Return where a page is, by its path below the place of these pages."""
    return link(request, site_of(request).settings.base + path, **query)


async def show(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Answer with a page; all pages know which others there are."""
    site = site_of(request)
    return await TEMPLATES.render(
        request,
        template,
        status=status,
        site_settings=site.settings,
        sections=site.settings.sections,
        read_only=site.settings.read_only,
        here=lambda path, **query: address(request, path, **query),
        events=address(request, "/-/events", shown=request.get(MARK, "")),
        current=request.path.removeprefix(site.settings.base),
        near=from_home,
        typed=lambda *words: shlex.join(["hubferry", *map(str, words)]),
        clock_short=lambda moment: clock(moment, time.time()),
        clock_exact=lambda moment: datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds"),
        **values,
    )


async def off_loop(
    request: web.Request, work: Callable[Given, Found], *words: Given.args, **more: Given.kwargs
) -> Found:
    """Do in a thread what reads the disk, in the reader's language."""
    with speaking(reader_of(request).language):
        return await asyncio.to_thread(functools.partial(work, *words, **more))


def go(request: web.Request, path: str, **query: object) -> web.Response:
    """Send the reader on to a page after something was done."""
    return web.Response(status=303, headers={"Location": address(request, path, **query)})


async def form_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form that changes something.

    Raises:
        CrossOriginError: No page of ours sent it.
        web.HTTPForbidden: Nothing may be changed here.
    """
    fields = await read_form(request)
    if site_of(request).settings.read_only:
        raise web.HTTPForbidden
    return fields
