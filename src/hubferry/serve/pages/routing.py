"""Which requests are answered with a page: those of a browser, at addresses that no dialect has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.pages import add_routes
from hubferry.pages.application import link
from hubferry.serve.addresses import absolute, relative
from hubferry.serve.hub import account_of, hub_of
from hubferry.serve.huggingface.renames import renamed
from hubferry.serve.pages import signing_in
from hubferry.serve.pages.card import show_card
from hubferry.serve.pages.commits import show_commit, show_commits
from hubferry.serve.pages.files import show_file, show_folder
from hubferry.serve.pages.lists import show_list
from hubferry.serve.pages.own import OwnProvider
from hubferry.serve.pages.place import Place, escaped, read_place
from hubferry.serve.pages.sources import PROVIDERS
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubferry.serve.hub import Hub
    from hubferry.serve.pages.sources import Provider, Shown

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_VIEWS: dict[str, Callable[[web.Request, Shown], Awaitable[web.StreamResponse]]] = {
    "card": show_card,
    "tree": show_folder,
    "blob": show_file,
    "commits": show_commits,
    "commit": show_commit,
}
_HTML = "text/html"
_NOT_FOUND = 404


def attach(application: web.Application, hub: Hub) -> None:
    """Give a hub's application its pages."""
    add_routes(
        application,
        title="hubferry",
        prefix=hub.public.prefix,
        origin=lambda request: absolute(request, "").removesuffix(hub.public.prefix),
    )
    providers: list[Provider] = [OwnProvider(hub)]
    application[PROVIDERS] = providers
    application.router.add_get(signing_in.SIGN_IN, signing_in.show_sign_in)
    application.router.add_post(signing_in.SIGN_IN, signing_in.sign_in)
    application.router.add_post(signing_in.SIGN_OUT, signing_in.sign_out)


def wants_page(request: web.Request) -> bool:
    """Return whether whoever asks is a browser that shows pages: no official client says `text/html`."""
    return (
        (request.method in ("GET", "HEAD") or request.path in signing_in.FORMS)
        and _HTML in request.headers.get("Accept", "")
        and not request.path.startswith(("/api/", "/openapi/", "/storage/"))
    )


@web.middleware
async def show_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser where the hub has no route; everything else goes on as if there were no pages."""
    missing = request.match_info.http_exception
    if missing is None or missing.status != _NOT_FOUND or not wants_page(request):
        return await handler(request)
    place = read_place(request.rel_url.raw_path)
    if place is None:
        return await handler(request)
    if not place.repo_id or place.owner:
        return await _show_list_or_repository(request, place)
    return await _show_repository(request, place)


async def _show_list_or_repository(request: web.Request, place: Place) -> web.StreamResponse:
    """Show an owner's repositories, unless there is one of that very name, without an owner."""
    account_of(request)
    if place.owner:
        found = await _opened(request, place)
        if found is not None:
            return await show_card(request, found)
    return await show_list(request, place)


async def _show_repository(request: web.Request, place: Place) -> web.StreamResponse:
    account_of(request)
    found = await _opened(request, place)
    if found is None:
        moved = _moved(request, place)
        if moved is None:
            raise Refusal(Reason.REPOSITORY_MISSING, "Repository not found", about=place.repo_id)
        return web.Response(status=307, headers={"Location": moved})
    if found.place.base != place.base:  # ModelScope's address, or another spelling
        return web.Response(status=307, headers={"Location": link(request, found.place.base) + _tail(place)})
    return await _VIEWS[place.view](request, found)


def _tail(place: Place) -> str:
    """Return what follows a repository's own address, escaped."""
    if place.view == "card":
        return ""
    below = "/" + "/".join(escaped(word) for word in place.path.split("/")) if place.path else ""
    return f"/{place.view}/{escaped(place.revision or '')}{below}"


async def _opened(request: web.Request, place: Place) -> Shown | None:
    for provider in request.app[PROVIDERS]:
        found = await provider.open(request, place)
        if found is not None:
            return found
    return None


def _moved(request: web.Request, place: Place) -> str | None:
    """Return where a repository is that has another name by now, to who may know that it is there."""
    hub, kind = hub_of(request), place.kind or "model"
    new = hub.store.renamed(place.repo_id, kind)
    if new is None or not hub.policy.sees(account_of(request), hub.store.find(new, kind).record):
        return None
    return relative(request, renamed(request.rel_url.raw_path, place.repo_id, new))
