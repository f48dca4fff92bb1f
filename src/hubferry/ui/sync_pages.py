"""Mirrors: their schedule, their runs as plots, each repository."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.i18n import _, speaking
from hubferry.pages import bar_plot, line_plot, reader_of
from hubferry.pages.quantities import count as counted
from hubferry.pages.quantities import seconds
from hubferry.ui import sync_view
from hubferry.ui.site import off_loop, show, site_of
from hubferry.units import size

if TYPE_CHECKING:
    from markupsafe import Markup

    from hubferry.ui.sync_view import Mirror


async def show_sync(request: web.Request) -> web.Response:
    """Show all mirror files."""
    site = site_of(request)
    mirrors = await off_loop(request, sync_view.look, site.settings)
    board = await off_loop(request, site.board)
    with speaking(reader_of(request).language):
        plots = {mirror.name: _plots(mirror) for mirror in mirrors.files}
    return await show(
        request, "sync.html", mirrors=mirrors, plots=plots, board=board, words=status_words(request)
    )


async def show_run(request: web.Request) -> web.Response:
    """Show one run, repository by repository."""
    number = request.match_info["number"]
    if not (number.isascii() and number.isdecimal() and len(number) < 16):  # noqa: PLR2004 - as SQLite counts
        raise web.HTTPNotFound
    run, outcomes = await off_loop(request, sync_view.one_run, int(number))
    return await show(request, "sync_run.html", run=run, outcomes=outcomes, words=status_words(request))


def status_words(request: web.Request) -> dict[str, tuple[str, str]]:
    """Return how a repository or a run ended: a tone and a word."""
    with speaking(reader_of(request).language):
        return {
            "same": ("good", _("the same")),
            "copied": ("good", _("copied")),
            "failed": ("bad", _("failed")),
            "skipped": ("plain", _("skipped")),
            "stopped": ("warn", _("stopped")),
            "finished": ("good", _("all proven")),
            "running": ("plain", _("running")),
            "broken-off": ("warn", _("broken off")),
        }


def _whole(value: float) -> str:
    """Write a number of things; nothing where a line of the grid is at no whole number."""
    return counted(value) if value == round(value) else ""


def _plots(mirror: Mirror) -> list[Markup]:
    if not mirror.runs:
        return []
    return [
        bar_plot(
            _("Bytes a day"),
            sync_view.bytes_a_day(mirror.runs, time.time()),
            lambda value: size(round(value)),
        ),
        line_plot(_("Duration of runs"), sync_view.durations(mirror.runs), seconds),
        bar_plot(_("Repositories in runs"), sync_view.results(mirror.runs), _whole),
    ]
