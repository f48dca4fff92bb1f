"""Repositories that have another name by now: who asks by the old one is sent on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from hubferry.serve.addresses import relative
from hubferry.serve.hub import account_of, hub_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_KINDS = ("models/", "datasets/")
_BEFORE = (*(f"/{api}{kind}" for api in ("api/resolve-cache/", "api/", "") for kind in _KINDS), "/")
"""What may precede a repository's name in an address, the longest first."""


@web.middleware
async def redirect_renamed(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Send a request for a repository's old name to the new one, without the hub's own address."""
    hub, old = hub_of(request), request.match_info.get("repo", "")
    new = dict(hub.strict.renamed).get(old) if old else None
    if new is None and old and not request.path.startswith("/api/v1/"):
        new = _moved(request, old)
    if new is None or request.path.startswith("/api/v1/"):
        return await handler(request)
    return web.Response(
        status=307, headers={"Location": relative(request, renamed(request.raw_path, old, new))}
    )


def renamed(address: str, old: str, new: str) -> str:
    """Return an escaped address of a repository's with its new name in the place of the old one."""
    path, mark, query = address.partition("?")
    for before in filter(path.startswith, _BEFORE):
        words = path[len(before) :].split("/")
        count = old.count("/") + 1
        said = unquote("/".join(words[:count]))
        if said in (old, f"{old}.git"):
            return before + "/".join([new + said.removeprefix(old), *words[count:]]) + mark + query
    return address


def _moved(request: web.Request, old: str) -> str | None:
    """Return where a repository went, to who may know that it is there."""
    hub, kind = hub_of(request), request.match_info.get("kind", "models").removesuffix("s")
    new = hub.store.renamed(old, kind)
    if new is None or not hub.policy.sees(account_of(request), hub.store.find(new, kind).record):
        return None
    return new
