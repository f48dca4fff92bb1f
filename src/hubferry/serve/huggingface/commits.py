"""Commits in the Hugging Face dialect: how to upload, the LFS batch, and the commit itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from typing import Literal

import msgspec
from aiohttp import web

from hubferry.serve.git import object_id
from hubferry.serve.huggingface.repositories import REPO, web_address
from hubferry.serve.hub import Hub, hub_of, writable_repository_of
from hubferry.serve.lfs import is_lfs, never_lfs
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.requests import check_path, decode_json, read_json
from hubferry.serve.storage import absolute

routes = web.RouteTableDef()
_SHA256 = r"^[0-9a-f]{64}$"


class PreuploadFile(msgspec.Struct, frozen=True):
    """A file about to be uploaded, with its first bytes in base64."""

    path: str
    size: int
    sample: str = ""


class Preupload(msgspec.Struct, frozen=True):
    """The body of `POST .../preupload/{revision}`."""

    files: list[PreuploadFile]


@routes.post(f"/api/{REPO}/preupload/{{revision}}", name="hf:preupload")
async def preupload(request: web.Request) -> web.Response:
    """Say for each file whether it is a blob or goes into the commit, and what is there already."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, Preupload)
    if len(wish.files) > hub_of(request).limits.preupload_files:
        raise Refusal(Reason.INVALID, "Too many files in one preupload request")
    tree = repository.tree(repository.resolve(request.match_info["revision"]))
    answers = []
    for file in wish.files:
        there = tree.get(file.path)
        sample = _decode_base64(file.sample)
        mode = "lfs" if is_lfs(file.path, file.size, sample) else "regular"
        answer: dict[str, object] = {"path": file.path, "uploadMode": mode, "shouldIgnore": False}
        if there is not None:
            answer["oid"] = there.sha256 if there.lfs else there.git_sha1
        answers.append(answer)
    return web.json_response({"files": answers})


class BatchObject(msgspec.Struct, frozen=True):
    """A blob that someone asks about."""

    oid: str
    size: int


class Batch(msgspec.Struct, frozen=True):
    """The body of an LFS batch request."""

    objects: list[BatchObject]
    operation: str = "upload"


@routes.post("/{kind:datasets}/{repo:[^/]+(?:/[^/]+)?}.git/info/lfs/objects/batch", name="hf:batch")
@routes.post("/{repo:[^/]+(?:/[^/]+)?}.git/info/lfs/objects/batch", name="hf:batch")
async def batch(request: web.Request) -> web.Response:
    """Answer which blobs have to be sent, and where to (git-lfs batch API, basic transfer)."""
    hub = hub_of(request)
    writable_repository_of(request)
    wish = await read_json(request, Batch)
    check_batch(hub, wish)
    answers = []
    for blob in wish.objects:
        answer: dict[str, object] = {"oid": blob.oid, "size": blob.size, "authenticated": True}
        if hub.store.blobs.size(blob.oid) != blob.size:
            href = absolute(request, hub.signer.address("put", blob.oid, size=str(blob.size)))
            answer["actions"] = {"upload": {"href": href}}
        answers.append(answer)
    return web.json_response(
        {"transfer": "basic", "objects": answers}, content_type="application/vnd.git-lfs+json"
    )


def check_batch(hub: Hub, wish: Batch) -> None:
    """Refuse a question that is too long or not about uploads."""
    if wish.operation != "upload":
        raise Refusal(Reason.INVALID, "Only uploads are asked for here")
    if len(wish.objects) > hub.limits.batch_objects:
        raise Refusal(Reason.INVALID, f"More than {hub.limits.batch_objects} objects in one request")


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """What a commit says about itself."""

    summary: str = ""
    description: str = ""
    parent_commit: str | None = None


class Item(msgspec.Struct, frozen=True):
    """One file of a commit, of whichever kind."""

    path: str
    content: str = ""
    encoding: str = "utf-8"
    oid: str | None = None
    size: int | None = None


class Line(msgspec.Struct, frozen=True):
    """One line of a commit's ndjson."""

    key: Literal["header", "file", "lfsFile", "deletedFile", "deletedFolder"]
    value: msgspec.Raw


@routes.post(f"/api/{REPO}/commit/{{revision}}", name="hf:commit")
async def commit(request: web.Request) -> web.Response:
    """Make a commit from lines of JSON: a header, then one line a file."""
    hub = hub_of(request)
    repository, account = writable_repository_of(request)
    if request.query.get("create_pr") == "1":
        raise Refusal(Reason.FORBIDDEN, "Pull requests are not kept on this hub")
    header, changes = Header(), []
    async for text in _lines(request, hub):
        line = decode_json(text, Line)
        if line.key == "header":
            header = decode_json(bytes(line.value), Header)
        else:
            changes.append(
                await asyncio.to_thread(_change, hub, line.key, decode_json(bytes(line.value), Item))
            )
        if len(changes) > hub.limits.actions:
            raise Refusal(Reason.TOO_MANY_ACTIONS, f"More than {hub.limits.actions} files in one commit")
    if not header.summary:
        raise Refusal(Reason.INVALID, '"summary" is required')
    record = await asyncio.to_thread(
        repository.commit,
        request.match_info["revision"],
        changes,
        title=header.summary,
        description=header.description,
        author=account.name,
        expected_parent=header.parent_commit,
    )
    page = web_address(request, repository)
    return web.json_response(
        {"success": True, "commitOid": record.id, "commitUrl": f"{page}/commit/{record.id}", "hookOutput": ""}
    )


def _change(hub: Hub, key: str, item: Item) -> Change:
    path = check_path(item.path.rstrip("/") if key == "deletedFolder" else item.path)
    if key == "deletedFile":
        return Delete(path)
    if key == "deletedFolder":
        return Delete(path, folder=True)
    if key == "lfsFile":
        if never_lfs(path):
            raise Refusal(Reason.INVALID, f"{path} must not be stored with git-lfs", about=path)
        if item.oid is None:
            raise Refusal(Reason.INVALID, f"{path}: no oid", about=path)
        return Put(path, item.oid, lfs=True, size=item.size)
    content = _decode_base64(item.content) if item.encoding == "base64" else item.content.encode()
    return Put(path, hub.store.blobs.put(content), lfs=False, git_sha1=object_id("blob", content))


async def _lines(request: web.Request, hub: Hub) -> AsyncIterator[bytes]:
    rest = bytearray()
    total = 0
    while chunk := await asyncio.wait_for(request.content.readany(), hub.limits.idle_seconds):
        total += len(chunk)
        rest += chunk
        if total > hub.limits.commit_bytes or len(rest) > hub.limits.commit_line_bytes:
            raise Refusal(Reason.TOO_LARGE, "The commit is too large: send big files as blobs")
        if b"\n" in chunk:
            *lines, last = rest.split(b"\n")
            for line in lines:
                if line.strip():
                    yield bytes(line)
            rest = bytearray(last)
    if rest.strip():
        yield bytes(rest)


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(Reason.INVALID, "Not base64") from error


@routes.post("/api/validate-yaml", name="hf:validate-yaml")
async def validate_yaml(request: web.Request) -> web.Response:
    """Take any model card; a mirror must not be stopped by a card that its source has."""
    await request.release()
    return web.json_response({"errors": [], "warnings": []})
