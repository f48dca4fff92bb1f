"""The embedded hub as one aiohttp application: both dialects over one store, on one port."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve import health, huggingface, modelscope, smart_git, storage
from hubferry.serve.access import Policy
from hubferry.serve.addresses import require_known_host
from hubferry.serve.hub import HUB, Hub, Seams, ServerLimits
from hubferry.serve.huggingface.renames import redirect_renamed
from hubferry.serve.pages import FORMS, attach, refuse, show_pages, wants_page
from hubferry.serve.public import Public
from hubferry.serve.rates import count_requests, tell_allowance
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.signing import Signer
from hubferry.serve.strictness import Strictness
from hubferry.serve.taking import watch_taking
from hubferry.serve.windows import Memory, Windows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubferry.serve.store import Store
    from hubferry.serve.xet import XetStorage

_LOGGER = logging.getLogger(__name__)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_TABLES = (health.routes, *modelscope.TABLES, storage.routes, *smart_git.TABLES, *huggingface.TABLES)
LABELS: dict[object, str] = {}
"""What each handler is for, as `AccessRecord.route` says it."""


def create_application(  # noqa: PLR0913  # one for each part of a hub
    store: Store,
    policy: Policy | None = None,
    *,
    limits: ServerLimits | None = None,
    seams: Seams | None = None,
    signer: Signer | None = None,
    initial_files: bool = False,
    xet: XetStorage | None = None,
    strict: Strictness | None = None,
    public: Public | None = None,
) -> web.Application:
    """Return the application; `initial_files` gives new ModelScope repositories a README.md of their own.

    `public` is by which address clients reach the hub; without it they do by the one that they ask at.
    """
    seams = seams or Seams()
    hub = Hub(
        store,
        policy or Policy(),
        signer or Signer(),
        limits or ServerLimits(),
        seams,
        initial_files=initial_files,
        xet=xet,
        strict=strict or Strictness(),
        memory=Memory(Windows(seams.clock)),
        public=public or Public(),
    )
    application = web.Application(
        middlewares=[*seams.middlewares, answer_refusals, count_requests, show_pages, redirect_renamed],
        client_max_size=hub.limits.json_bytes,
    )
    application[HUB] = hub
    application.on_response_prepare.append(watch_taking)
    if hub.strict.rates is not None:
        application.on_response_prepare.append(tell_allowance)
    for table in _TABLES:
        for route in table:
            if isinstance(route, web.RouteDef):
                # a name may be shared here: it labels what was asked for, not an address
                LABELS[route.handler] = route.kwargs["name"]
                application.router.add_route(route.method, route.path, route.handler)
                if route.method == "GET":
                    application.router.add_route("HEAD", route.path, route.handler)
    attach(application, hub)
    return application


@web.middleware
async def answer_refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn a refusal into the answer of the dialect that was spoken."""
    try:
        require_known_host(request)
        _refuse_browsers(request)
        return await handler(request)
    except Refusal as refusal:
        return await _answer(request, refusal)
    except web.HTTPNotFound:
        return await _answer(request, Refusal(Reason.ROUTE_MISSING, "No such route"))
    except web.HTTPMethodNotAllowed:
        return await _answer(request, Refusal(Reason.METHOD, "Method not allowed"))
    except (web.HTTPException, ConnectionError, web.RequestPayloadError):
        raise
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        return await _answer(request, Refusal(Reason.DISK, "The hub's disk is full"))
    except Exception:
        _LOGGER.exception("%s %s failed", request.method, request.path)
        return await _answer(request, Refusal(Reason.BROKEN, "Internal error"))


def _refuse_browsers(request: web.Request) -> None:
    if request.path in FORMS:
        return  # a form of a page of ours has a token, and is asked where it comes from
    if request.method not in ("GET", "HEAD") and "Origin" in request.headers:
        # only a page in a browser says where it comes from, and no page has business with somebody's hub
        raise Refusal(Reason.FORBIDDEN, "Browsers may not write here")


async def _answer(request: web.Request, refusal: Refusal) -> web.Response:
    if wants_page(request):
        return await refuse(request, refusal)
    if request.path.startswith(("/api/v1/", "/openapi/")):
        return modelscope.answer(request, refusal)
    return huggingface.answer(request, refusal)
