"""Commits in the ModelScope dialect: which blobs are missing, and the commit itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Literal

import msgspec
from aiohttp import web

from hubferry.serve.git import object_id
from hubferry.serve.huggingface.commits import Batch, check_batch
from hubferry.serve.hub import Hub, hub_of, writable_repository_of
from hubferry.serve.lfs import never_lfs
from hubferry.serve.modelscope.answers import success
from hubferry.serve.modelscope.repositories import REPO
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.requests import check_path, read_json
from hubferry.serve.storage import absolute

routes = web.RouteTableDef()


@routes.post(f"/api/v1/repos/{REPO}/info/lfs/objects/batch", name="ms:batch")
async def batch(request: web.Request) -> web.Response:
    """Answer which blobs have to be sent; one that is there already is left out, as on the real hub."""
    hub = hub_of(request)
    writable_repository_of(request)
    wish = await read_json(request, Batch)
    check_batch(hub, wish)
    missing = [blob for blob in wish.objects if hub.store.blobs.size(blob.oid) != blob.size]
    return success(
        {
            "objects": [
                {
                    "oid": blob.oid,
                    "size": blob.size,
                    "actions": {
                        "upload": {
                            "href": absolute(
                                request, hub.signer.address("put", blob.oid, size=str(blob.size))
                            )
                        }
                    },
                }
                for blob in missing
            ]
        }
    )


class CommitAction(msgspec.Struct, frozen=True):
    """One file of a commit."""

    action: Literal["create", "update", "delete"]
    path: str
    type: Literal["lfs", "normal", ""] = "normal"
    size: int = 0
    sha256: str = ""
    content: str = ""
    encoding: str = "base64"


class CommitRequest(msgspec.Struct, frozen=True):
    """The body of a commit."""

    actions: list[CommitAction]
    commit_message: str = ""


@routes.post(f"/api/v1/repos/{REPO}/commit/{{revision:.+}}", name="ms:commit")
async def commit(request: web.Request) -> web.Response:
    """Make a commit on a branch."""
    hub = hub_of(request)
    repository, account = writable_repository_of(request)
    wish = await read_json(request, CommitRequest, hub.limits.commit_line_bytes)
    count = len(wish.actions)
    if count > hub.limits.actions:
        raise Refusal(
            Reason.TOO_MANY_ACTIONS,
            f"commit request exceeds actions limit: {count} > {hub.limits.actions}; "
            "split the commit into smaller batches",
        )
    if not count:
        raise Refusal(Reason.INVALID, "actions must not be empty")
    changes = await asyncio.to_thread(lambda: [_change(hub, action) for action in wish.actions])
    record = await asyncio.to_thread(
        repository.commit,
        request.match_info["revision"],
        changes,
        title=wish.commit_message or "Upload files",
        author=account.name,
    )
    return success({"Id": record.id, "CommitId": record.id, "Message": record.title})


def _change(hub: Hub, action: CommitAction) -> Change:
    path = check_path(action.path)
    if action.action == "delete":
        return Delete(path)
    if action.type == "lfs":
        if never_lfs(path):
            raise Refusal(Reason.INVALID, f"{path} must not be stored with LFS", about=path)
        return Put(path, action.sha256, lfs=True, size=action.size)
    try:
        content = base64.b64decode(action.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(Reason.INVALID, f"{path}: content is not base64") from error
    return Put(path, hub.store.blobs.put(content), lfs=False, git_sha1=object_id("blob", content))
