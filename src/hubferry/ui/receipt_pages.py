"""Receipts: which there are, what one says, whether that still holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError
from hubferry.receipts.checking import State, counts
from hubferry.ui import receipt_view
from hubferry.ui.site import form_of, go, off_loop, show, site_of

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from hubferry.receipts.document import Receipt
    from hubferry.ui.receipt_view import Found
    from hubferry.ui.settings import Settings

_MOST_FILES = 500
_OPENED = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """A receipt in the list; what it says where it was opened for that, or why it could not be."""

    found: Found
    receipt: Receipt | None
    mistake: str | None


async def show_receipts(request: web.Request) -> web.Response:
    """Show the list."""
    places, rows = await off_loop(request, _look, site_of(request).settings)
    return await show(request, "receipts.html", places=places, rows=rows)


def _look(settings: Settings) -> tuple[tuple[Path, ...], list[Listed]]:
    found = receipt_view.listed(settings)
    return receipt_view.directories(settings), [_listed(one, at) for at, one in enumerate(found)]


def _listed(found: Found, at: int) -> Listed:
    if at >= _OPENED:
        return Listed(found, None, None)
    try:
        return Listed(found, receipt_view.opened(found), None)
    except HubferryError as error:
        return Listed(found, None, error.sentence)


async def show_receipt(request: web.Request) -> web.Response:
    """Show one receipt, and what holding it against its target came to."""
    site, name = site_of(request), request.query.get("name", "")
    found = await off_loop(request, receipt_view.find, site.settings, name)
    receipt = await off_loop(request, receipt_view.opened, found)
    holding = site.receipts.of(name)
    check = None if holding is None else holding.check
    return await show(
        request,
        "receipt.html",
        found=found,
        receipt=receipt,
        holding=holding,
        differing=[]
        if check is None
        else [one for one in check.files if one.state is not State.SAME][:_MOST_FILES],
        counts={} if check is None else {state.value: count for state, count in counts(check.files).items()},
        files=receipt.files[:_MOST_FILES],
        more=max(0, len(receipt.files) - _MOST_FILES),
        size=sum(file.size for file in receipt.files),
    )


async def verify_receipt(request: web.Request) -> web.Response:
    """Begin to hold a receipt against its target."""
    await form_of(request)
    site, name = site_of(request), request.query.get("name", "")
    site.receipts.begin(await off_loop(request, receipt_view.find, site.settings, name))
    return go(request, "/receipts/one", name=name)
