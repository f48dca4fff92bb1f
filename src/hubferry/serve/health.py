"""What load balancers and supervisors ask: does the hub answer?"""

from __future__ import annotations

from aiohttp import web

from hubferry.serve.exchange import json_answer

routes = web.RouteTableDef()
PATH = "/healthz"


@routes.get(PATH, name="healthz")
async def answer_health(_request: web.Request) -> web.Response:
    """Say that the hub answers, to whoever asks and without a token."""
    return json_answer({"status": "ok"}, headers={"Cache-Control": "no-store"})
