"""The embedded hub as one aiohttp application: both dialects over one store, on one port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from hubferry.serve import storage
from hubferry.serve.access import Policy
from hubferry.serve.hub import HUB, Hub, Seams, ServerLimits
from hubferry.serve.huggingface import answers as huggingface_answers
from hubferry.serve.huggingface import commits as huggingface_commits
from hubferry.serve.huggingface import files as huggingface_files
from hubferry.serve.huggingface import repositories as huggingface_repositories
from hubferry.serve.modelscope import answers as modelscope_answers
from hubferry.serve.modelscope import commits as modelscope_commits
from hubferry.serve.modelscope import files as modelscope_files
from hubferry.serve.modelscope import repositories as modelscope_repositories
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.signing import Signer
from hubferry.serve.store import Store

_TABLES = (
    modelscope_repositories.routes,
    modelscope_files.routes,
    modelscope_commits.routes,
    huggingface_repositories.routes,
    huggingface_commits.routes,
    storage.routes,
    huggingface_files.routes,
)


LABELS: dict[object, str] = {}
"""What each handler is for, as `AccessRecord.route` says it."""


def create_application(
    store: Store,
    policy: Policy | None = None,
    *,
    limits: ServerLimits | None = None,
    seams: Seams | None = None,
    signer: Signer | None = None,
    initial_files: bool = False,
) -> web.Application:
    """Return the application; `initial_files` gives new ModelScope repositories a README.md of their own."""
    hub = Hub(
        store,
        policy or Policy(),
        signer or Signer(),
        limits or ServerLimits(),
        seams or Seams(),
        initial_files=initial_files,
    )
    application = web.Application(
        middlewares=[*hub.seams.middlewares, answer_refusals], client_max_size=hub.limits.json_bytes
    )
    application[HUB] = hub
    for table in _TABLES:
        for route in table:
            if isinstance(route, web.RouteDef):
                # a name may be shared here: it labels what was asked for, not an address
                LABELS[route.handler] = route.kwargs["name"]
                application.router.add_route(route.method, route.path, route.handler)
                if route.method == "GET":
                    application.router.add_route("HEAD", route.path, route.handler)
    return application


@web.middleware
async def answer_refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn a refusal into the answer of the dialect that was spoken."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return _answer(request, refusal)
    except web.HTTPNotFound:
        return _answer(request, Refusal(Reason.ROUTE_MISSING, "No such route"))
    except web.HTTPMethodNotAllowed:
        return _answer(request, Refusal(Reason.METHOD, "Method not allowed"))


def _answer(request: web.Request, refusal: Refusal) -> web.Response:
    if request.path.startswith(("/api/v1/", "/openapi/")):
        return modelscope_answers.answer(request, refusal)
    return huggingface_answers.answer(request, refusal)
