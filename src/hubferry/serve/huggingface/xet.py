"""Tokens for Xet in the Hugging Face dialect; they exist only where the hub was started with `--xet`."""

from __future__ import annotations

import asyncio
import secrets
import time

from aiohttp import web

from hubferry.serve.exchange import json_answer
from hubferry.serve.hub import account_of, hub_of, repository_of, writable_repository_of
from hubferry.serve.huggingface.routes import REPO
from hubferry.serve.refusal import Reason, Refusal

routes = web.RouteTableDef()
_LIFETIME = 3600


@routes.get(f"{REPO}/xet-read-token/{{revision}}", name="hf:xet-read-token")
async def read_token(request: web.Request) -> web.Response:
    """Say where the chunks can be read."""
    repository = repository_of(request)
    hub = hub_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    repository.resolve(request.match_info["revision"])
    if hub.xet is None:
        raise _no_xet()
    return _token(await asyncio.to_thread(hub.xet.download_address))


@routes.get(f"{REPO}/xet-write-token/{{revision}}", name="hf:xet-write-token")
async def write_token(request: web.Request) -> web.Response:
    """Say where chunks can be uploaded."""
    writable_repository_of(request)
    hub = hub_of(request)
    if hub.xet is None:
        raise _no_xet()
    return _token(hub.xet.upload_address)


def _no_xet() -> Refusal:
    return Refusal(
        Reason.ROUTE_MISSING, "This hub has no Xet: set HF_HUB_DISABLE_XET=1, or start it with --xet"
    )


def _token(address: str) -> web.Response:
    """Return a token in both forms that are read: JSON (hf_xet) and headers (huggingface_hub)."""
    token, expires = secrets.token_hex(16), int(time.time()) + _LIFETIME
    headers = {
        "X-Xet-Cas-Url": address,
        "X-Xet-Access-Token": token,
        "X-Xet-Token-Expiration": str(expires),
    }
    return json_answer({"casUrl": address, "accessToken": token, "exp": expires}, headers=headers)
