"""A repository's blobs in the Hugging Face dialect: listed, taken out of history, given to another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from hubferry.serve.exchange import json_answer, read_json
from hubferry.serve.hub import account_of, hub_of, repository_of, visible_repository, writable_repository_of
from hubferry.serve.huggingface.routes import REPO, iso_time, page_answer, window
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from hubferry.serve.repository import Repository

routes = web.RouteTableDef()
_A_PAGE = 1_000


@routes.get(f"{REPO}/lfs-files", name="hf:lfs-files")
async def find(request: web.Request) -> web.Response:
    """List a page of the blobs that branches lead to."""
    repository, _account = writable_repository_of(request)
    found = await asyncio.to_thread(_files, repository)
    part = window(request, _A_PAGE)
    return page_answer(request, part, found[part], len(found))


def _files(repository: Repository) -> list[dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    branches = sorted(repository.record.branches.items(), key=lambda item: item[0] != "main")
    for name, commit in branches:
        for path, file in repository.tree(commit).files.items():
            if file.lfs and file.sha256 not in found:
                pushed = iso_time(repository.history.commit(file.commit).time)
                found[file.sha256] = {
                    "fileOid": file.sha256, "oid": file.sha256, "filename": path,
                    "size": file.size, "pushedAt": pushed, "ref": f"refs/heads/{name}",
                }  # fmt: skip
    return list(found.values())


class Deletions(msgspec.Struct, frozen=True, rename="camel"):
    """Which blobs are to go, and whether the history is to forget them, too."""

    sha: list[str]
    rewrite_history: bool = True


class Batch(msgspec.Struct, frozen=True):
    """The body of `POST .../lfs-files/batch`."""

    deletions: Deletions


@routes.post(f"{REPO}/lfs-files/batch", name="hf:lfs-files")
async def remove(request: web.Request) -> web.Response:
    """Take blobs out of all that branches, tags and pull requests lead to."""
    repository, _account = writable_repository_of(request)
    wish = (await read_json(request, Batch)).deletions
    if len(wish.sha) > _A_PAGE:
        raise Refusal(Reason.INVALID, f"More than {_A_PAGE} files in one request")
    if not wish.rewrite_history:
        raise Refusal(Reason.INVALID, "This hub takes blobs out of history, or leaves them")
    await asyncio.to_thread(repository.forget_blobs, frozenset(wish.sha))
    return json_answer({})


class Target(msgspec.Struct, frozen=True):
    """Which repository is to have the blobs."""

    name: str
    type: str = "model"


class Wanted(msgspec.Struct, frozen=True, rename="camel"):
    """A blob that it is to have."""

    sha256: str
    filename: str = ""
    xet_hash: str = ""


class Duplication(msgspec.Struct, frozen=True):
    """The body of `POST .../lfs-files/duplicate`."""

    target: Target
    files: list[Wanted]


@routes.post(f"{REPO}/lfs-files/duplicate", name="hf:lfs-files")
async def duplicate(request: web.Request) -> web.Response:
    """Let another repository commit this one's blobs; they are kept once, so nothing is copied."""
    hub = hub_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    wish = await read_json(request, Duplication)
    target = visible_repository(request, wish.target.name, wish.target.type)
    hub.policy.require_write(account_of(request), target.record.repo_id)
    has = await asyncio.to_thread(lambda: set(repository.history.named_blobs()))
    failed = [
        {"filename": one.filename, "sha256": one.sha256, "error": "not found"}
        for one in wish.files
        if one.sha256 not in has
    ]
    return json_answer({"failed": failed})
