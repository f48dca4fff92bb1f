"""Repositories that get another name, and copies of them, in the Hugging Face dialect; and who likes them."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from hubferry.serve.exchange import json_answer, read_json
from hubferry.serve.hub import account_of, hub_of, repository_of
from hubferry.serve.huggingface.repositories import check_name
from hubferry.serve.huggingface.routes import NAME, REPO, web_address
from hubferry.serve.refusal import Reason, Refusal

routes = web.RouteTableDef()


class Move(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST /api/repos/move`."""

    from_repo: str
    to_repo: str
    type: str = "model"


@routes.post("/api/repos/move", name="hf:move")
async def move(request: web.Request) -> web.Response:
    """Give a repository another name or owner; the old name leads to the new one."""
    hub = hub_of(request)
    account = account_of(request)
    wish = await read_json(request, Move)
    repository = hub.store.find(wish.from_repo, wish.type)
    if not hub.policy.sees(account, repository.record):
        raise Refusal(Reason.REPOSITORY_MISSING, f"Repository not found: {wish.from_repo}")
    hub.policy.require_write(account, repository.record.repo_id)
    hub.policy.require_creation(account, wish.to_repo, wish.type)
    if hub.strict.names:
        check_name(wish.to_repo)
    moved = await asyncio.to_thread(hub.store.move, wish.from_repo, wish.to_repo, wish.type)
    return json_answer({"url": web_address(request, moved)})


class Duplicate(msgspec.Struct, frozen=True):
    """The body of `POST .../duplicate`."""

    repository: str
    private: bool | None = None
    visibility: str | None = None


@routes.post(f"{REPO}/duplicate", name="hf:duplicate")
async def duplicate(request: web.Request) -> web.Response:
    """Make a copy of a repository with its whole history, under another name."""
    hub = hub_of(request)
    account = account_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account, repository.record)
    wish = await read_json(request, Duplicate)
    hub.policy.require_creation(account, wish.repository, repository.record.kind)
    if hub.strict.names:
        check_name(wish.repository)
    wished = wish.visibility in ("private", "protected") if wish.visibility else wish.private
    hidden = repository.record.private if wished is None else wished
    made = await asyncio.to_thread(hub.store.duplicate, repository, wish.repository, private=hidden)
    return json_answer({"url": web_address(request, made)})


@routes.get("/api/users/{user}/likes", name="hf:likes")
@routes.get(f"{REPO}/likers", name="hf:likes")
async def likes(request: web.Request) -> web.Response:
    """Say that nobody likes anything here: this hub counts no likes."""
    if "repo" in request.match_info:
        repository_of(request)
    else:
        account_of(request)
    return json_answer([])


@routes.delete(f"{REPO}/like", name="hf:likes")
async def unlike(request: web.Request) -> web.Response:
    """Take a like away that nobody gave."""
    hub_of(request).policy.require_account(account_of(request))
    repository_of(request)
    return json_answer({})


@routes.get("/api/spaces", name="hf:list")
async def spaces(request: web.Request) -> web.Response:
    """List no spaces: this hub has none."""
    account_of(request)
    return json_answer([])


@routes.get(f"/api/spaces/{NAME}", name="hf:info")
async def space(request: web.Request) -> web.Response:
    """Say that there is no such space."""
    account_of(request)
    raise Refusal(Reason.REPOSITORY_MISSING, f"Repository not found: {request.match_info['repo']}")
