"""Commits in the ModelScope dialect: which blobs are missing, and the commit itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry.serve.batch import answer_batch, read_batch
from hubferry.serve.committing import Proposal, make_commit
from hubferry.serve.exchange import check_path, read_json
from hubferry.serve.git import object_id
from hubferry.serve.hub import Hub, hub_of, writable_repository_of
from hubferry.serve.lfs import never_lfs
from hubferry.serve.modelscope.answers import success
from hubferry.serve.modelscope.routes import REPO
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import branch_name

if TYPE_CHECKING:
    from hubferry.serve.repository import Repository

routes = web.RouteTableDef()


@routes.post(f"/api/v1/repos/{REPO}/info/lfs/objects/batch", name="ms:batch")
async def batch(request: web.Request) -> web.Response:
    """Answer which blobs have to be sent; one that is there already is left out, as on the real hub."""
    repository, _account = writable_repository_of(request)
    wish = await read_batch(request)
    if wish.operation != "upload":
        raise Refusal(Reason.INVALID, "Only uploads are asked for here")
    answers = await answer_batch(request, repository, wish)
    return success({"objects": [blob for blob in answers if "actions" in blob]})


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
    branch = request.match_info["revision"]
    head = _head(repository, branch) if hub.strict.branches else None
    wish = await read_json(request, CommitRequest, hub.strict.commit_bytes or hub.limits.commit_line_bytes)
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
    proposal = Proposal(
        branch,
        changes,
        wish.commit_message or "Upload files",
        account.name,
        parent=head,
        throttle=hub.strict.modelscope_commits,
    )
    record = await asyncio.to_thread(make_commit, hub, repository, proposal)
    return success({"Id": record.id, "CommitId": record.id, "Message": record.title})


def _head(repository: Repository, branch: str) -> str:
    """Return where a branch is; there is no call that would make one."""
    found = repository.record.branches.get(branch_name(branch))
    if found is None:
        raise Refusal(Reason.NO_BRANCH, about=branch)
    return found


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
