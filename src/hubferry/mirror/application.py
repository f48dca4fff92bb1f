"""The mirror inside of the hub's application: what the hub does not have itself goes the mirror's way."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import msgspec
from aiohttp import web

from hubferry.errors import HubferryError
from hubferry.mirror import huggingface, modelscope
from hubferry.mirror.mirror import Mirror, Wishes
from hubferry.mirror.pages import MirrorProvider
from hubferry.mirror.refusals import said
from hubferry.mirror.request import Asked
from hubferry.pages import Event, events
from hubferry.serve.access import Policy
from hubferry.serve.application import LABELS
from hubferry.serve.hub import account_of, hub_of, token_of
from hubferry.serve.huggingface.routes import NAME
from hubferry.serve.pages.sources import PROVIDERS
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from hubferry.cache.store import Cache
    from hubferry.mirror.clients import Asker
    from hubferry.mirror.upstreams import Upstream
    from hubferry.model import RepoType
    from hubferry.serve.access import Account

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Answer = Callable[[Asked], Awaitable[web.StreamResponse | None]]

MIRROR: web.AppKey[Mirror] = web.AppKey("mirror", Mirror)
_ANSWERS: dict[str, Answer] = {
    "hf:resolve": huggingface.resolve,
    "hf:raw": huggingface.resolve,
    "hf:info": huggingface.info,
    "hf:tree": huggingface.tree,
    "hf:paths-info": huggingface.paths_info,
    "hf:refs": huggingface.references,
    "hf:commits": huggingface.commits,
    "hf:auth-check": huggingface.check_access,
    "hf:xet-read-token": huggingface.refuse_xet,
    "ms:info": modelscope.info,
    "ms:files": modelscope.files,
    "ms:tree": modelscope.pages,
    "ms:numbered-tree": modelscope.pages,
    "ms:download": modelscope.download,
    "ms:revisions": modelscope.revisions,
}
"""By what is asked for; everything else is the hub's own affair."""
_LISTS = ("hf:list", "ms:list")
_READING = ("GET", "HEAD")
_LOOK = 2.0
"""Seconds after which it is looked whether a page's numbers have changed; nobody is asked for that."""


class OpenPolicy(Policy):
    """A policy that takes a token which it does not know for another hub's."""

    def identify(self, token: str | None) -> Account | None:
        """Return whose token it is; None for a stranger's."""
        try:
            return super().identify(token)
        except Refusal:
            return None


class NetworkPolicy(OpenPolicy):
    """The same where others can reach the hub: without any tokens of its own it takes none for its own."""

    @property
    def takes_any_token(self) -> bool:
        """Not here: a token that it does not know is another hub's."""
        return False

    def identify(self, token: str | None) -> Account | None:
        """Return whose token it is; None for a stranger's."""
        if super().takes_any_token:
            return None
        return super().identify(token)


def attach(application: web.Application, cache: Cache, wishes: Wishes) -> None:
    """Make a hub a mirror as well; what it has itself it goes on serving itself."""

    async def run(app: web.Application) -> AsyncGenerator[None, None]:
        mirror = app[MIRROR] = Mirror(cache, wishes)
        yield
        await mirror.close()

    application.cleanup_ctx.append(run)
    application[PROVIDERS].append(MirrorProvider(lambda request: request.app[MIRROR], _who))
    application.middlewares.append(_answer_from_upstream)
    for method in _READING:
        for prefix in ("/{kind:datasets}", ""):
            application.router.add_route(method, f"{prefix}/{NAME}/raw/{{revision}}/{{path:.+}}", _raw)
        application.router.add_route(method, "/spaces/{rest:.+}", _refuse_spaces)
        application.router.add_route(method, "/api/spaces/{rest:.+}", _refuse_spaces)
        if method == "GET":
            application.router.add_route(method, "/metrics", _metrics)
            application.router.add_route(method, "/-/events", _events)
    LABELS[_raw] = "hf:raw"
    LABELS[_metrics] = "metrics"


async def _raw(request: web.Request) -> web.StreamResponse:
    """Say that the hub's own repositories have no such address."""
    del request
    raise Refusal(Reason.ROUTE_MISSING, "No such route")


async def _refuse_spaces(request: web.Request) -> web.StreamResponse:
    """Say that a Space is a program, and no files to keep."""
    del request
    raise Refusal(Reason.ROUTE_MISSING, "Spaces are not mirrored: ask the hub that runs them")


async def _metrics(request: web.Request) -> web.Response:
    """Say what the mirror has done."""
    account_of(request)
    text = request.app[MIRROR].counts.text()
    headers = {"Cache-Control": "no-store", "Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=text, headers=headers)


async def _events(request: web.Request) -> web.StreamResponse:
    """Say when the numbers of the first page have changed."""
    account_of(request)
    counts = request.app[MIRROR].counts

    async def changes(_last: str | None) -> AsyncGenerator[Event, None]:
        known = replace(counts)
        while True:
            await asyncio.sleep(_LOOK)
            if counts != known:
                known = replace(counts)
                yield Event('["mirror"]')

    return await events(request, changes)


async def _own_space(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer for a Space that the hub has itself."""
    try:
        return await handler(request)
    except Refusal as refusal:
        if refusal.reason is not Reason.REPOSITORY_MISSING:
            raise
    return await _refuse_spaces(request)


@web.middleware
async def _answer_from_upstream(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer for a repository that only upstream has."""
    if request.path.startswith(("/spaces/", "/api/spaces/")):
        return await _own_space(request, handler)
    label = LABELS.get(request.match_info.handler, "")
    answer = _answer_for(request, label)
    mirror = request.app[MIRROR]
    upstream = mirror.upstream(label.partition(":")[0])
    if label in _LISTS and upstream is not None and "kind" in request.match_info:
        return await _list(request, handler, mirror, upstream)
    if answer is None or upstream is None:
        return await handler(request)
    repo_id, kind = _repository(request, mirror)
    if not repo_id or _is_own(request, repo_id, kind):
        return await handler(request)
    who = _who(request, mirror, upstream)
    try:
        answered = await answer(Asked(mirror, upstream, request, who, repo_id, kind))
    except Refusal as refusal:
        if refusal.reason is Reason.GATED and refusal.about is None and who.token is None:
            refusal.about = "anonymous"
        raise
    except HubferryError as error:
        raise said(error, repo_id, None) from error
    return answered if answered is not None else await handler(request)


async def _list(
    request: web.Request, handler: Handler, mirror: Mirror, upstream: Upstream
) -> web.StreamResponse:
    """List the hub's own repositories that fit; where none do, those of upstream."""
    own = await handler(request)
    if not _is_empty(own) or upstream.translated or mirror.wishes.offline or not upstream.endpoint:
        return own
    kinds = request.match_info["kind"]
    who = _who(request, mirror, upstream)
    asked = Asked(mirror, upstream, request, who, "", cast("RepoType", kinds.removesuffix("s")))
    if upstream.hub == "ms":
        return await modelscope.find(asked, kinds) or own
    return await huggingface.find(asked) or own


def _is_empty(own: web.StreamResponse) -> bool:
    """Return whether a list, in either dialect, has nothing in it, also on its other pages."""
    body = own.body if isinstance(own, web.Response) else None
    if not isinstance(body, bytes):
        return False
    listed = msgspec.json.decode(body)
    data = listed.get("data") if isinstance(listed, dict) else None
    return listed == [] or (isinstance(data, dict) and data.get("total_count") == 0)


def _answer_for(request: web.Request, label: str) -> Answer | None:
    if request.method not in _READING and label != "hf:paths-info":
        return None
    if label == "ms:info" and request.path.startswith("/openapi/"):
        return modelscope.open_info
    return _ANSWERS.get(label)


def _repository(request: web.Request, mirror: Mirror) -> tuple[str, RepoType]:
    match = request.match_info
    if "number" in match:  # one that no hub has told here is of this one, or of none
        return mirror.numbers.get(int(match["number"])) or "", "dataset"
    repo_id = match.get("repo") or f"{match.get('owner', '')}/{match.get('name', '')}"
    return repo_id, cast("RepoType", match.get("kind", "models").removesuffix("s"))


def _is_own(request: web.Request, repo_id: str, kind: str) -> bool:
    try:
        hub_of(request).store.find(repo_id, kind)
    except Refusal:
        return False
    return True


def _who(request: web.Request, mirror: Mirror, upstream: Upstream) -> Asker:
    """Return as whom upstream is asked; a token of this hub's own is never shown to another."""
    token = token_of(request)
    if not mirror.wishes.is_open:
        return mirror.asker(upstream, None, account_of(request))
    return mirror.asker(upstream, None if _is_ours(hub_of(request).policy, token) else token, None)


def _is_ours(policy: Policy, token: str | None) -> bool:
    """Return whether a token is one that this hub knows, and no other is to see."""
    if not token:
        return False
    if any(
        hmac.compare_digest(one.token.encode(), token.encode(errors="replace")) for one in policy.credentials
    ):
        return True
    return policy.accounts is not None and policy.accounts.identify(token) is not None


def counted(application: web.Application) -> Any:
    """Return what a mirror has done so far; None of a hub that is none, or was not started."""
    return application[MIRROR].counts if MIRROR in application else None
