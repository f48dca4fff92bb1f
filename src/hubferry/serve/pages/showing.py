"""Rendering a page of the hub: what all of them have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from hubferry.pages import Templates, session_cookie
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hubferry.serve.hub import Hub

_TEMPLATES = Templates(Path(__file__).parent / "templates")
MAY_SEE_CACHE: web.AppKey[Callable[[web.Request], bool]] = web.AppKey("may see the cache")
"""Of a mirror: whether who asks may see what it keeps, at `/-/cache`. Raises Refusal for a wrong token."""


async def show(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> web.Response:
    """Answer with a page of this hub."""
    hub = hub_of(request)

    def page_address(number: int) -> str:
        asked = [(name, value) for name, value in request.query.items() if name != "part"]
        return "?" + urlencode([*asked, ("part", number)])

    return await _TEMPLATES.render(
        request,
        template,
        status=status,
        headers=headers,
        here=request.path_qs,
        page_address=page_address,
        signs_in=can_sign_in(hub),
        signed_in=_name_of(request, hub),
        shows_cache=_shows_cache(request),
        asked=request.query.get("search", ""),
        **values,
    )


def prepare() -> None:
    """Make everything ready for the first reader. Blocks; call it off the event loop."""
    _TEMPLATES.prepare()


def can_sign_in(hub: Hub) -> bool:
    """Return whether a token would tell this hub anything."""
    accounts = hub.policy.accounts
    return (
        bool(hub.policy.credentials)
        or hub.policy.takes_any_token
        or (accounts is not None and accounts.exist())
    )


def _shows_cache(request: web.Request) -> bool:
    may_see = request.app.get(MAY_SEE_CACHE)
    try:
        return may_see is not None and may_see(request)
    except Refusal:
        return False


def _name_of(request: web.Request, hub: Hub) -> str | None:
    """Return the account that signed in with this browser."""
    token = hub.sessions.token(request.cookies.get(session_cookie(request)))
    try:
        account = hub.policy.identify(token)
    except Refusal:
        return None
    return account.name if account is not None else None
