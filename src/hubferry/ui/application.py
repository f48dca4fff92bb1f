"""All pages as one application: who is let in, which page answers what, what is said when it goes wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

from hubferry.errors import HubferryError, NotFoundError
from hubferry.i18n import _, speaking
from hubferry.pages import CrossOriginError, add_routes, events, reader_of
from hubferry.pages.headers import COMMON
from hubferry.transfers.desk import Watched
from hubferry.ui import (
    cache_actions,
    cache_pages,
    copy_pages,
    guard,
    overview,
    receipt_pages,
    sync_pages,
    transfer_pages,
)
from hubferry.ui.live import changes, mark
from hubferry.ui.site import MARK, SITE, Site, go, show, site_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubferry.ui.settings import Section, Settings

Handler: TypeAlias = "Callable[[web.Request], Awaitable[web.StreamResponse]]"
_LOGGER = logging.getLogger(__name__)
_GETS: dict[Section, tuple[tuple[str, Handler], ...]] = {
    "overview": (("/", overview.show_overview),),
    "cache": (
        ("/cache", cache_pages.show_cache),
        ("/cache/{name}", cache_pages.show_model),
    ),
    "transfers": (("/transfers", transfer_pages.show_transfers),),
    "copy": (
        ("/copy", copy_pages.show_form),
        ("/copy/plans/{plan}", copy_pages.show_plan),
        ("/copy/runs/{run}", copy_pages.show_run),
    ),
    "sync": (("/sync", sync_pages.show_sync), ("/sync/runs/{number}", sync_pages.show_run)),
    "receipts": (("/receipts", receipt_pages.show_receipts), ("/receipts/one", receipt_pages.show_receipt)),
}
_PREVIEWS = (("/cache/{name}/clean", cache_actions.preview_clean), ("/prune", cache_actions.preview_prune))
_POSTS: dict[Section, tuple[tuple[str, Handler], ...]] = {
    "cache": (
        ("/cache/{name}/pin", cache_actions.pin),
        ("/cache/{name}/verify", cache_actions.verify),
        ("/cache/{name}/repair", cache_actions.repair),
        ("/cache/{name}/clean", cache_actions.clean),
        ("/prune", cache_actions.prune),
    ),
    "copy": (
        ("/copy/plans", copy_pages.make_plan),
        ("/copy/runs", copy_pages.start_run),
        ("/copy/runs/{run}/stop", copy_pages.stop_run),
        ("/copy/runs/{run}/resume", copy_pages.resume_run),
    ),
    "receipts": (("/receipts/one", receipt_pages.verify_receipt),),
}


def create(settings: Settings, title: str = "hubferry ui") -> web.Application:
    """Return an application that shows these pages and nothing else."""
    application = web.Application(middlewares=[_guarded], client_max_size=1 << 20)
    add_pages(application, settings, title=title)
    return application


def add_pages(
    application: web.Application,
    settings: Settings,
    *,
    title: str | None,
    permit: Callable[[web.Request], None] = lambda _request: None,
) -> Site:
    """Give an application these pages.

    Args:
        application: Not yet started; whoever made it guards it.
        settings: What is shown.
        title: What all pages are called; None where the application shows others already.
        permit: Raises for who may not see them.
    """
    site = application[SITE] = Site(settings)
    if title is not None:
        add_routes(application, title=title)
    for section in sorted(settings.sections):
        for path, handler in _GETS[section]:
            application.router.add_get(settings.base + path, _answered(handler, permit))
        for path, handler in _PREVIEWS if section == "cache" and not settings.read_only else ():
            application.router.add_get(settings.base + path, _answered(handler, permit))
        for path, handler in _POSTS.get(section, ()) if not settings.read_only else ():
            application.router.add_post(settings.base + path, _answered(handler, permit))
    if "overview" not in settings.sections and not settings.base:
        application.router.add_get("/", _answered(_to_the_first, permit))
    application.router.add_get(settings.base + "/-/events", _permitted(_events, permit))
    application.on_shutdown.append(_close)
    return site


async def _to_the_first(request: web.Request) -> web.StreamResponse:
    return go(request, "/sync" if "sync" in site_of(request).settings.sections else "/cache")


async def _events(request: web.Request) -> web.StreamResponse:
    site = site_of(request)
    return await events(request, changes(site.desk, site.version, request.query.get("shown", "")))


async def _close(application: web.Application) -> None:
    await application[SITE].close()


def _permitted(handler: Handler, permit: Callable[[web.Request], None]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        permit(request)
        return await handler(request)

    return answer


def _answered(handler: Handler, permit: Callable[[web.Request], None]) -> Handler:
    """Return a handler that answers an error of ours with a page that says it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        permit(request)
        try:
            site = site_of(request)
            request[MARK] = mark(Watched(site.desk), site.version())
            with speaking(reader_of(request).language):
                return await handler(request)
        except HubferryError as error:
            status = 404 if isinstance(error, NotFoundError) else 409
            return await show(request, "problem.html", status=status, problem=error.sentence, hint=error.hint)
        except CrossOriginError:
            with speaking(reader_of(request).language):
                problem = _("This did not come from a page of this program, and nothing was done.")
            return await show(request, "problem.html", status=403, problem=problem, hint=None)

    return answer


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    settings = site_of(request).settings
    if request.path in settings.unguarded:
        return await handler(request)
    try:
        guard.require_known_host(request, settings)
        welcome = guard.admitted(request, settings)
        return await handler(request) if welcome is None else welcome
    except guard.UnknownHostError:
        return web.Response(status=421, text="This address is not this machine's.\n", headers=COMMON)
    except guard.KeyLackingError:
        return await show(request, "locked.html", status=401)
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        return await _refused(request, error.status)
    except ConnectionError:
        raise
    except Exception:
        _LOGGER.exception("%s %s failed", request.method, request.path)
        return await _refused(request, 500)


async def _refused(request: web.Request, status: int) -> web.Response:
    with speaking(reader_of(request).language):
        problem = {
            403: _("Nothing can be changed here: these pages only show."),
            404: _("There is no such page."),
            405: _("Nothing is changed by following a link."),
            500: _("That went wrong in this program; the terminal in which it runs says more."),
        }.get(status, _("This request cannot be meant."))
    return await show(request, "problem.html", status=status, problem=problem, hint=None)
