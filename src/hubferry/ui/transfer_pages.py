"""What moves on this machine, in whatever terminal, and what did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.ui.site import off_loop, show, site_of

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.transfers.desk import Board
    from hubferry.ui.runs import Seen
    from hubferry.ui.site import Site


@dataclass(frozen=True, slots=True)
class Moving:
    """What is said of transfers, and which of them pages started."""

    board: Board
    runs: tuple[Seen, ...]

    def run_of(self, name: str) -> Seen | None:
        """Return the run that a transfer belongs to, where a page started it."""
        return next((one for one in self.runs if one.transfer is not None and one.transfer.id == name), None)


async def show_transfers(request: web.Request) -> web.Response:
    """Show them."""
    site = site_of(request)
    moving = await off_loop(request, _look, site)
    return await show(request, "transfers.html", moving=moving, checks=site.checks.running)


def _look(site: Site) -> Moving:
    board = site.board()
    runs = tuple(site.runs.all(board)) if "copy" in site.settings.sections else ()
    return Moving(board, runs)
