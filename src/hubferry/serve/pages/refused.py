"""Refusals as pages: what it is, and what to do now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.i18n import N_
from hubferry.pages import session_cookie
from hubferry.serve.hub import hub_of, token_of
from hubferry.serve.huggingface.answers import status_of
from hubferry.serve.pages.showing import can_sign_in, show
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from aiohttp import web

_WORDS = {
    Reason.REPOSITORY_MISSING: (
        N_("There is no such repository"),
        N_("Perhaps it has another name, or it is private and you are not signed in."),
    ),
    Reason.REVISION_MISSING: (
        N_("There is no such revision"),
        N_("The repository is there, and has no branch, tag or commit of that name."),
    ),
    Reason.ENTRY_MISSING: (
        N_("There is no such file"),
        N_("The repository is there, and has no file or folder of that name at this revision."),
    ),
    Reason.ROUTE_MISSING: (N_("There is nothing here"), N_("This hub has no page at this address.")),
    Reason.NO_CREDENTIALS: (
        N_("This hub is for those who have a token"),
        N_("Sign in with a token of this hub to see what it holds."),
    ),
    Reason.WRONG_CREDENTIALS: (
        N_("Your token is not known here any more"),
        N_("Sign in again, with a token of this hub."),
    ),
    Reason.GATED: (
        N_("This repository has terms"),
        N_("Who it was granted to may read its files. Everybody may see which there are."),
    ),
    Reason.MISDIRECTED: (
        N_("This hub does not answer to that name"),
        N_("It listens on this machine alone: ask for localhost, or start it with --public-url."),
    ),
    Reason.RATE: (N_("Too many requests"), N_("Wait a little, then ask again.")),
    Reason.FORBIDDEN: (N_("This is not allowed"), N_("The hub refuses this.")),
}
_WRONG = (N_("This address says nothing"), N_("Something in the request is not as it should be."))
_ELSE = (N_("This did not work"), N_("The hub could not answer; its log says why."))
_OURS = 500
_UNSAID = (Reason.REPOSITORY_MISSING, Reason.NO_CREDENTIALS, Reason.WRONG_CREDENTIALS, Reason.BROKEN)


async def show_refusal(request: web.Request, refusal: Refusal) -> web.Response:
    """Answer a refused browser."""
    hub = hub_of(request)
    status = status_of(refusal)
    title, words = _WORDS.get(refusal.reason, _ELSE if status >= _OURS else _WRONG)
    asks = can_sign_in(hub) and (
        refusal.reason in (Reason.NO_CREDENTIALS, Reason.WRONG_CREDENTIALS)
        or (refusal.reason in (Reason.REPOSITORY_MISSING, Reason.GATED) and token_of(request) is None)
    )
    headers = {} if refusal.wait is None else {"Retry-After": str(refusal.wait)}
    answer = await show(
        request,
        "refused.html",
        status=status,
        headers=headers,
        title=title,
        words=words,
        said="" if refusal.reason in _UNSAID else refusal.text,
        asks=asks,
        back=request.rel_url.raw_path if refusal.reason is not Reason.MISDIRECTED else "/",
        any_token=hub.policy.takes_any_token,
    )
    cookie = session_cookie(request)
    if refusal.reason is Reason.WRONG_CREDENTIALS and cookie in request.cookies:
        answer.del_cookie(cookie, path="/")
    return answer
