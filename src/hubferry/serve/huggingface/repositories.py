"""Repositories in the Hugging Face dialect: create, describe, delete, branches, tags, history, who am I."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec
from aiohttp import web

from hubferry.serve.hub import account_of, hub_of, repository_of, writable_repository_of
from hubferry.serve.records import CommitRecord, FileRecord
from hubferry.serve.repository import Repository
from hubferry.serve.requests import read_json
from hubferry.serve.storage import absolute

routes = web.RouteTableDef()
REPO = "{kind:models|datasets}/{repo:[^/]+(?:/[^/]+)?}"


class Creation(msgspec.Struct, frozen=True):
    """The body of `POST /api/repos/create`."""

    name: str
    organization: str | None = None
    type: str | None = "model"
    private: bool | None = None
    visibility: str | None = None
    license: str | None = None

    @property
    def kind(self) -> str:
        """The repository type, a model when unsaid."""
        return self.type or "model"

    @property
    def hidden(self) -> bool:
        """Whether the repository is to be private."""
        return bool(self.private) or self.visibility in ("private", "protected")

    def full_name(self, user: str) -> str:
        """Return `owner/name`; the owner is the user when nobody else is named."""
        return self.name if "/" in self.name else f"{self.organization or user}/{self.name}"


def web_address(request: web.Request, repository: Repository) -> str:
    """Return the repository's page."""
    prefix = "/datasets" if repository.record.kind == "dataset" else ""
    return absolute(request, f"{prefix}/{repository.record.repo_id}")


def iso_time(seconds: float) -> str:
    """Return a time as Hugging Face writes it."""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@routes.get("/api/whoami-v2", name="hf:whoami")
async def who_am_i(request: web.Request) -> web.Response:
    """Tell whose token it is."""
    account = hub_of(request).policy.require_account(account_of(request))
    role = "write" if account.may_write else "read"
    return web.json_response(
        {
            "type": "user",
            "id": account.name,
            "name": account.name,
            "fullname": account.name,
            "isPro": False,
            "orgs": [{"type": "org", "name": name} for name in sorted(account.namespaces or ())],
            "auth": {"type": "access_token", "accessToken": {"displayName": "hubferry", "role": role}},
        }
    )


@routes.post("/api/repos/create", name="hf:create")
async def create(request: web.Request) -> web.Response:
    """Make an empty repository; 409 with its `url` when it is there."""
    hub = hub_of(request)
    account = hub.policy.require_account(account_of(request))
    wish = await read_json(request, Creation)
    repo_id = wish.full_name(account.name)
    hub.policy.require_write(account, repo_id)
    repository = hub.store.create(repo_id, wish.kind, private=wish.hidden, license=wish.license)
    return web.json_response(
        {"url": web_address(request, repository), "name": repo_id, "id": repo_id, "private": wish.hidden}
    )


@routes.delete("/api/repos/delete", name="hf:delete")
async def delete(request: web.Request) -> web.Response:
    """Remove a repository."""
    hub = hub_of(request)
    account = hub.policy.require_account(account_of(request))
    wish = await read_json(request, Creation)
    repo_id = wish.full_name(account.name)
    hub.policy.require_write(account, repo_id)
    hub.store.delete(repo_id, wish.kind)
    return web.json_response({})


@routes.get(f"/api/{REPO}/refs", name="hf:refs")
async def references(request: web.Request) -> web.Response:
    """List branches and tags with their commits."""
    record = repository_of(request).record
    return web.json_response(
        {
            "branches": [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
                for name, commit in sorted(record.branches.items())
            ],
            "tags": [
                {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
                for name, commit in sorted(record.tags.items())
            ],
            "converts": [],
        }
    )


@routes.get(f"/api/{REPO}/commits/{{revision}}", name="hf:commits")
async def commits(request: web.Request) -> web.Response:
    """List the history of a revision, newest first, in pages."""
    repository = repository_of(request)
    return web.json_response(
        [_commit(record) for record in repository.history(repository.resolve(request.match_info["revision"]))]
    )


def _commit(record: CommitRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "title": record.title,
        "message": record.description,
        "authors": [{"user": record.author, "avatar": ""}],
        "date": iso_time(record.time),
    }


@routes.get(f"/api/{REPO}/revision/{{revision}}", name="hf:info")
@routes.get(f"/api/{REPO}", name="hf:info")
async def info(request: web.Request) -> web.Response:
    """Describe a repository at a revision."""
    repository = repository_of(request)
    commit = repository.resolve(request.match_info.get("revision"))
    blobs = request.query.get("blobs", "").lower() in ("true", "1")
    tree = repository.tree(commit)
    record = repository.record
    license_tag = [f"license:{record.license}"] if record.license else []
    return web.json_response(
        {
            "_id": record.repo_id,
            "id": record.repo_id,
            "modelId": record.repo_id,
            "author": record.repo_id.partition("/")[0],
            "sha": commit,
            "lastModified": iso_time(repository.commit_record(commit).time),
            "createdAt": iso_time(record.created),
            "private": record.private,
            "gated": record.gated or False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": license_tag,
            "siblings": [_sibling(path, file, blobs=blobs) for path, file in sorted(tree.items())],
        }
    )


def _sibling(path: str, file: FileRecord, *, blobs: bool) -> dict[str, object]:
    found: dict[str, object] = {"rfilename": path}
    if blobs:
        found |= {"size": file.size, "blobId": file.git_sha1}
        if file.lfs:
            found["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
    return found


class BranchCreation(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST .../branch/{branch}`."""

    starting_point: str | None = None


class TagCreation(msgspec.Struct, frozen=True):
    """The body of `POST .../tag/{revision}`."""

    tag: str
    message: str | None = None


@routes.post(f"/api/{REPO}/branch/{{name}}", name="hf:branch")
async def create_branch(request: web.Request) -> web.Response:
    """Create a branch, at the default one unless told otherwise."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, BranchCreation)
    repository.add_branch(request.match_info["name"], repository.resolve(wish.starting_point))
    return web.json_response({})


@routes.delete(f"/api/{REPO}/branch/{{name}}", name="hf:branch")
async def delete_branch(request: web.Request) -> web.Response:
    """Remove a branch."""
    repository, _account = writable_repository_of(request)
    repository.remove_reference("branches", request.match_info["name"])
    return web.json_response({})


@routes.post(f"/api/{REPO}/tag/{{revision}}", name="hf:tag")
async def create_tag(request: web.Request) -> web.Response:
    """Create a tag at a revision."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, TagCreation)
    repository.add_tag(wish.tag, repository.resolve(request.match_info["revision"]))
    return web.json_response({})


@routes.delete(f"/api/{REPO}/tag/{{name}}", name="hf:tag")
async def delete_tag(request: web.Request) -> web.Response:
    """Remove a tag."""
    repository, _account = writable_repository_of(request)
    repository.remove_reference("tags", request.match_info["name"])
    return web.json_response({})
