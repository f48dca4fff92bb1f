"""Repositories in the ModelScope dialect: create, describe, find, delete; and who am I."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from hubferry import cards
from hubferry.serve.access import organisations_of
from hubferry.serve.exchange import number, read_body, read_json
from hubferry.serve.forms import form_fields
from hubferry.serve.hub import account_of, hub_of, repository_of, visible_repository, writable_repository_of
from hubferry.serve.modelscope.answers import open_success, success
from hubferry.serve.modelscope.initial import initial_files
from hubferry.serve.modelscope.routes import REPO, number_of
from hubferry.serve.reading import card_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import DEFAULT_BRANCH

if TYPE_CHECKING:
    from hubferry.serve.hub import Hub
    from hubferry.serve.repository import Repository

routes = web.RouteTableDef()
_PRIVATE, _PUBLIC = 1, 5  # modelscope_hub.constants.Visibility; 3 is "internal"
_GATED, _OPEN = 1, 2
GENERAL = 4  # modelscope.utils.constant.DatasetFormations: its files are files, and no index of others
_MOST_A_PAGE = 100


class Login(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of `POST /api/v1/login`."""

    access_token: str = ""


class Creation(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of `POST /api/v1/models` (owner in `Path`) and of `/api/v1/datasets` (in `Owner`)."""

    name: str
    path: str = ""
    owner: str = ""
    visibility: int = _PUBLIC
    license: str = "Apache-2.0"
    description: str = ""
    protected_mode: int = _OPEN


@routes.post("/api/v1/login", name="ms:login")
async def log_in(request: web.Request) -> web.Response:
    """Exchange a token for a session cookie, which is the token again."""
    limits = hub_of(request).limits
    wish = await read_json(request, Login, min(limits.form_bytes, limits.json_bytes))
    account = hub_of(request).policy.identify(wish.access_token)
    if account is None:
        raise Refusal(Reason.WRONG_CREDENTIALS, "AccessToken is invalid or expired")
    response = success({"Username": account.name, "Email": "", "AccessToken": wish.access_token})
    response.set_cookie("m_session_id", wish.access_token, httponly=True, samesite="Strict")
    return response


@routes.get("/openapi/v1/users/me", name="ms:whoami")
async def who_am_i(request: web.Request) -> web.Response:
    """Tell whose token it is."""
    account = hub_of(request).policy.require_account(account_of(request))
    return open_success(
        {
            "id": account.name,
            "username": account.name,
            "nickname": account.full_name or account.name,
            "email": "",
            "role": account.role or ("write" if account.may_write else "read"),
            "organizations": [{"name": name} for name in organisations_of(account)],
        }
    )


@routes.post("/api/v1/{kind:models|datasets}", name="ms:create")
async def create(request: web.Request) -> web.Response:
    """Make a repository; without a license it is Apache-2.0, as on the real hub."""
    hub = hub_of(request)
    account = hub.policy.require_account(account_of(request))
    wish = await _creation(request)
    repo_id = f"{wish.path or wish.owner or account.name}/{wish.name}"
    kind = request.match_info["kind"].removesuffix("s")
    hub.policy.require_creation(account, repo_id, kind)
    return success(await asyncio.to_thread(_created, hub, repo_id, kind, wish, account.name))


def _created(hub: Hub, repo_id: str, kind: str, wish: Creation, user: str) -> dict[str, object]:
    repository = hub.store.create(
        repo_id,
        kind,
        private=wish.visibility != _PUBLIC,
        gated="manual" if wish.protected_mode == _GATED else None,
        license=wish.license,
        description=wish.description,
        granted=[user],
    )
    if hub.initial_files:
        changes = initial_files(hub.store.blobs, repository.record)
        repository.commit(DEFAULT_BRANCH, changes, title="Initial files")
    return _described(hub, repository)


async def _creation(request: web.Request) -> Creation:
    limits = hub_of(request).limits
    if request.content_type != "multipart/form-data":
        return await read_json(request, Creation, min(limits.form_bytes, limits.json_bytes))
    fields = form_fields(request, await read_body(request, min(limits.form_bytes, limits.json_bytes)))
    try:
        return msgspec.convert(fields, Creation, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(Reason.INVALID, f"Malformed request: {error}") from error


def _task(hub: Hub, repository: Repository) -> str | None:
    """Return the task that the card of the default branch names."""
    return cards.pipeline_of(card_of(hub.store.blobs, repository.tree(repository.resolve(None))))


def _described(hub: Hub, repository: Repository) -> dict[str, object]:
    record = repository.record
    owner, _, name = record.repo_id.rpartition("/")
    described = {
        "Id": number_of(record.repo_id),
        "Path": owner,
        "Name": name,
        "ModelId": record.repo_id,
        "Visibility": _PRIVATE if record.private else _PUBLIC,
        "License": record.license or "",
        "Description": record.description,
        "CreatedTime": int(record.created),
        "LastUpdatedTime": int(record.changed),
        "ProtectedMode": _GATED if record.gated else _OPEN,
        "Revision": "master",
        "Tasks": [{"Name": task}] if (task := _task(hub, repository)) else [],
    }
    return {**described, "Type": GENERAL} if record.kind == "dataset" else described


def _open_described(hub: Hub, repository: Repository) -> dict[str, object]:
    record = repository.record
    owner, _, name = record.repo_id.rpartition("/")
    return {
        "id": record.repo_id,
        "owner": owner,
        "name": name,
        "private": record.private,
        "gated": record.gated is not None,
        "license": record.license or "",
        "description": record.description,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "tasks": [task] if (task := _task(hub, repository)) else [],
        "created_at": int(record.created),
        "last_modified": int(record.changed),
    }


@routes.get(f"/api/v1/{REPO}", name="ms:info")
async def info(request: web.Request) -> web.Response:
    """Describe a repository."""
    return success(await asyncio.to_thread(_described, hub_of(request), repository_of(request)))


@routes.delete(f"/api/v1/{REPO}", name="ms:delete")
@routes.delete(f"/api/v1/{REPO}/file", name="ms:delete")
async def delete(request: web.Request) -> web.Response:
    """Refuse, like the real hub: a token deletes files by a commit, and repositories not at all."""
    writable_repository_of(request)
    raise Refusal(Reason.FORBIDDEN, "the current token no longer supports deletion operations")


@routes.get("/openapi/v1/{kind:models|datasets}", name="ms:list")
async def find(request: web.Request) -> web.Response:
    """List a page of the repositories that whoever asks may see."""
    hub = hub_of(request)
    account = account_of(request)
    kind = request.match_info["kind"]
    search, owner = request.query.get("search", "").lower(), request.query.get("owner")
    found = [
        repository
        for repository in hub.store.repositories(kind.removesuffix("s"))
        if hub.policy.sees(account, repository.record)
        and search in repository.record.repo_id.lower()
        and owner in (None, repository.record.repo_id.rpartition("/")[0])
    ]
    page, size = number(request, "page_number", 1), min(number(request, "page_size", 10), _MOST_A_PAGE)
    wanted = found[max(0, page - 1) * size :][:size]
    shown = await asyncio.to_thread(lambda: [_open_described(hub, repository) for repository in wanted])
    return open_success({kind: shown, "total_count": len(found), "page_number": page, "page_size": size})


@routes.get("/openapi/v1/{kind:models|datasets}/{owner}/{name}", name="ms:info")
async def open_info(request: web.Request) -> web.Response:
    """Describe a repository the way the open API does."""
    repo_id = f"{request.match_info['owner']}/{request.match_info['name']}"
    kind = request.match_info["kind"].removesuffix("s")
    repository = visible_repository(request, repo_id, kind)
    return open_success(await asyncio.to_thread(_open_described, hub_of(request), repository))


@routes.get("/api/v1/repos/internalAccelerationInfo", name="ms:region")
async def region(_request: web.Request) -> web.Response:
    """Say that there is no nearer address (modelscope_hub._download._detect_region_uncached)."""
    return success({"InternalRegionQueryAddress": ""})
