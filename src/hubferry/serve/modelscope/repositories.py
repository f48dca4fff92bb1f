"""Repositories in the ModelScope dialect: log in, create, describe, delete, branches and tags."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hubferry.serve.hub import account_of, hub_of, repository_of, visible_repository, writable_repository_of
from hubferry.serve.modelscope.answers import open_success, success
from hubferry.serve.modelscope.initial import initial_files
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import DEFAULT_BRANCH, Repository
from hubferry.serve.requests import decode_json, read_body, read_json

routes = web.RouteTableDef()
REPO = "{kind:models|datasets}/{repo:[^/]+/[^/]+}"
PRIVATE, INTERNAL, PUBLIC = 1, 3, 5


class Login(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of `POST /api/v1/login`."""

    access_token: str = ""


class Creation(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of `POST /api/v1/models` and `/api/v1/datasets`."""

    name: str
    path: str = ""
    owner: str = ""
    visibility: int = PUBLIC
    license: str = "Apache-2.0"
    description: str = ""
    protected_mode: int = 2


class TagCreation(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of `POST .../repo/tag`."""

    tag_name: str
    ref: str = "master"


@routes.post("/api/v1/login", name="ms:login")
async def log_in(request: web.Request) -> web.Response:
    """Exchange a token for a session cookie, which is the token again."""
    hub = hub_of(request)
    wish = await read_json(request, Login)
    account = hub.policy.identify(wish.access_token)
    if account is None:
        raise Refusal(Reason.WRONG_CREDENTIALS, "AccessToken is invalid or expired")
    response = success({"Username": account.name, "Email": "", "AccessToken": wish.access_token})
    response.set_cookie("m_session_id", wish.access_token, httponly=True, samesite="Strict")
    return response


@routes.get("/openapi/v1/users/me", name="ms:whoami")
async def who_am_i(request: web.Request) -> web.Response:
    """Tell whose token it is."""
    account = hub_of(request).policy.require_account(account_of(request))
    return open_success({"id": account.name, "username": account.name, "email": ""})


@routes.post("/api/v1/{kind:models|datasets}", name="ms:create")
async def create(request: web.Request) -> web.Response:
    """Make a repository; without a license it is Apache-2.0, as on the real hub."""
    hub = hub_of(request)
    account = hub.policy.require_account(account_of(request))
    wish = await _creation(request)
    repo_id = f"{wish.path or wish.owner or account.name}/{wish.name}"
    hub.policy.require_write(account, repo_id)
    repository = hub.store.create(
        repo_id,
        request.match_info["kind"].removesuffix("s"),
        private=wish.visibility != PUBLIC,
        gated="manual" if wish.protected_mode == 1 else None,
        license=wish.license,
        description=wish.description,
        granted=[account.name],
    )
    if hub.initial_files:
        repository.commit(
            DEFAULT_BRANCH, initial_files(hub.store.blobs, repository.record), title="Initial files"
        )
    return success(describe(repository))


async def _creation(request: web.Request) -> Creation:
    if request.content_type.startswith("multipart/"):
        # datasets are created by a form (modelscope_hub._legacy_api.create_repo)
        form = await request.post()
        fields: dict[str, Any] = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            return msgspec.convert(fields, Creation, strict=False)
        except msgspec.ValidationError as error:
            raise Refusal(Reason.INVALID, f"Malformed request: {error}") from error
    return decode_json(await read_body(request, hub_of(request).limits.json_bytes), Creation)


def describe(repository: Repository) -> dict[str, object]:
    """Return a repository as `/api/v1` shows it."""
    record = repository.record
    owner, _, name = record.repo_id.partition("/")
    return {
        "Id": abs(hash(record.repo_id)) % 10**9,
        "Path": owner,
        "Name": name,
        "ModelId": record.repo_id,
        "Visibility": PRIVATE if record.private else PUBLIC,
        "License": record.license or "",
        "Description": record.description,
        "CreatedTime": int(record.created),
        "LastUpdatedTime": int(record.changed),
        "ProtectedMode": 1 if record.gated else 2,
        "Revision": "master",
    }


@routes.get(f"/api/v1/{REPO}", name="ms:info")
async def info(request: web.Request) -> web.Response:
    """Describe a repository."""
    return success(describe(repository_of(request)))


@routes.delete(f"/api/v1/{REPO}", name="ms:delete")
async def delete(request: web.Request) -> web.Response:
    """Remove a repository."""
    repository, _account = writable_repository_of(request)
    hub_of(request).store.delete(repository.record.repo_id, repository.record.kind)
    return success({})


@routes.get("/openapi/v1/{kind:models|datasets}/{owner}/{name}", name="ms:info")
async def open_info(request: web.Request) -> web.Response:
    """Describe a repository the way the open API does."""
    repo_id = f"{request.match_info['owner']}/{request.match_info['name']}"
    kind = request.match_info["kind"].removesuffix("s")
    repository = visible_repository(request, repo_id, kind)
    record = repository.record
    owner, _, name = record.repo_id.partition("/")
    return open_success(
        {
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
        }
    )


@routes.get(f"/api/v1/{REPO}/revisions", name="ms:revisions")
async def revisions(request: web.Request) -> web.Response:
    """List the names of branches and tags; like the real hub, without their commits."""
    repository = repository_of(request)
    record = repository.record

    def described(references: dict[str, str]) -> list[dict[str, object]]:
        return [
            {
                "Revision": "master" if name == DEFAULT_BRANCH else name,
                "CreatedAt": int(repository.commit_record(commit).time),
            }
            for name, commit in sorted(references.items())
        ]

    return success({"RevisionMap": {"Branches": described(record.branches), "Tags": described(record.tags)}})


@routes.post(f"/api/v1/{REPO}/repo/tag", name="ms:tag")
async def create_tag(request: web.Request) -> web.Response:
    """Create a tag at a revision."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, TagCreation)
    repository.add_tag(wish.tag_name, repository.resolve(wish.ref))
    return success({"TagName": wish.tag_name})
