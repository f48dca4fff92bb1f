"""Answer `/metrics` and `/healthz` while `watch` runs, beside whatever pages there are."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.sync.metrics import Metrics
    from hubferry.sync.watch import Standing

USUAL_HOST = "127.0.0.1"
_READ_ONLY = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def address_of(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, `:PORT` or `PORT`; without a host only this machine is answered.

    Raises:
        UsageError: It is none.
    """
    host, _colon, port = text.strip().rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        message = _("“{text}” is no address to listen at").format(text=text)
        raise UsageError(message, hint="--listen 127.0.0.1:9464")
    return host.strip("[]") or USUAL_HOST, int(port)


def _reason(error: OSError) -> str:
    """Return why an address cannot be had, in the system's words, which asyncio lengthens."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


@asynccontextmanager
async def listening(
    address: str, metrics: Metrics, standing: Standing, application: web.Application | None = None
) -> AsyncGenerator[str, None]:
    """Answer at `address` until the block is left; yields the address that is answered.

    Args:
        address: As `address_of` reads it.
        metrics: What `/metrics` says.
        standing: What `/healthz` says.
        application: What answers everything else; nothing does without.

    Raises:
        UsageError: It is no address, or cannot be had.
    """
    host, port = address_of(address)

    async def numbers(_request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST, **_READ_ONLY}
        return web.Response(body=metrics.text(standing), headers=headers)

    async def health(_request: web.Request) -> web.Response:
        right = standing.mistake is None
        body = {
            "ok": right,
            "running": standing.running,
            "next": standing.next_at,
            "mistake": standing.mistake,
        }
        return web.json_response(body, status=200 if right else 503, headers=_READ_ONLY)

    application = web.Application() if application is None else application
    application.router.add_get("/metrics", numbers)
    application.router.add_get("/healthz", health)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            message = _("cannot listen at {address}: {reason}").format(address=address, reason=_reason(error))
            raise UsageError(message, hint="--listen 127.0.0.1:0") from error
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
