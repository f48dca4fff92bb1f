"""Signing in with a browser: a token goes in by a form of ours, a name that means nothing comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.pages import CrossOriginError, read_form, session_cookie
from hubferry.pages.application import link, own_path
from hubferry.pages.headers import COMMON
from hubferry.serve.addresses import absolute
from hubferry.serve.hub import hub_of
from hubferry.serve.pages.showing import can_sign_in, show
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.sessions import LIFETIME

if TYPE_CHECKING:
    from hubferry.serve.hub import Hub

SIGN_IN, SIGN_OUT = "/-/sign-in", "/-/sign-out"
FORMS = (SIGN_IN, SIGN_OUT)
"""The only addresses to which a browser may send something."""
_LONGEST = 4096


async def show_sign_in(request: web.Request) -> web.StreamResponse:
    """Show the form."""
    if not can_sign_in(hub_of(request)):
        raise Refusal(Reason.ROUTE_MISSING, "No such route")
    return await _form(request, own_path(request.query.get("back", "/")))


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Begin a session for whoever has a token that the hub knows."""
    hub = hub_of(request)
    fields = await _fields(request)
    back, token = own_path(fields.get("back", "/")), fields.get("token", "").strip()
    if not can_sign_in(hub) or not token or len(token) > _LONGEST or not _is_known(hub, token):
        return await _form(request, back, wrong=True)
    hub.sessions.end(request.cookies.get(session_cookie(request)))
    answer = _gone_to(request, back)
    answer.set_cookie(
        session_cookie(request),
        hub.sessions.begin(token),
        max_age=int(LIFETIME),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=absolute(request, "").startswith("https:"),
    )
    return answer


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    await _fields(request)
    hub_of(request).sessions.end(request.cookies.get(session_cookie(request)))
    answer = _gone_to(request, "/")
    answer.del_cookie(session_cookie(request), path="/")
    return answer


async def _fields(request: web.Request) -> dict[str, str]:
    try:
        return await read_form(request)
    except CrossOriginError:
        raise Refusal(Reason.FORBIDDEN, "This form was not sent by a page of this hub") from None


def _is_known(hub: Hub, token: str) -> bool:
    try:
        return hub.policy.identify(token) is not None
    except Refusal:
        return False


async def _form(request: web.Request, back: str, *, wrong: bool = False) -> web.Response:
    return await show(
        request,
        "sign-in.html",
        status=403 if wrong else 200,
        back=back,
        wrong=wrong,
        any_token=hub_of(request).policy.takes_any_token,
    )


def _gone_to(request: web.Request, path: str) -> web.Response:
    where, _mark, query = path.partition("?")
    address = link(request, "") + where + (f"?{query}" if query else "")
    return web.Response(status=303, headers={**COMMON, "Location": address})
