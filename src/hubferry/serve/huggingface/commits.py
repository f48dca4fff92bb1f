"""Commits in the Hugging Face dialect: how to upload, the LFS batch, and the commit itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry.serve.batch import answer_batch
from hubferry.serve.exchange import check_path, decode_json, json_answer, read_json
from hubferry.serve.git import object_id
from hubferry.serve.hub import Hub, hub_of, writable_repository_of
from hubferry.serve.huggingface.routes import NAME, REPO, web_address
from hubferry.serve.lfs import is_lfs, never_lfs
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.uploads import read_chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

routes = web.RouteTableDef()


class PreuploadFile(msgspec.Struct, frozen=True):
    """A file about to be uploaded, with its first bytes in base64."""

    path: str
    size: int
    sample: str = ""


class Preupload(msgspec.Struct, frozen=True):
    """The body of `POST .../preupload/{revision}`."""

    files: list[PreuploadFile]


@routes.post(f"{REPO}/preupload/{{revision}}", name="hf:preupload")
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
    return json_answer({"files": answers})


@routes.post(f"/{{kind:datasets}}/{NAME}.git/info/lfs/objects/batch", name="hf:batch")
@routes.post(f"/{NAME}.git/info/lfs/objects/batch", name="hf:batch")
async def batch(request: web.Request) -> web.Response:
    """Answer which blobs have to be sent, and where to (git-lfs batch API, basic transfer)."""
    writable_repository_of(request)
    return json_answer({"transfer": "basic", "objects": await answer_batch(request)})


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


@routes.post(f"{REPO}/commit/{{revision}}", name="hf:commit")
async def commit(request: web.Request) -> web.Response:
    """Make a commit from lines of JSON: a header, then one line a file."""
    hub = hub_of(request)
    repository, account = writable_repository_of(request)
    if request.query.get("create_pr") == "1":
        raise Refusal(Reason.FORBIDDEN, "Pull requests are not kept on this hub")
    header = Header()
    changes: list[Change] = []
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
    return json_answer(
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
        return _blob(hub, path, item.oid, item.size)
    content = _decode_base64(item.content) if item.encoding == "base64" else item.content.encode()
    return Put(path, hub.store.blobs.put(content), lfs=False, git_sha1=object_id("blob", content))


def _blob(hub: Hub, path: str, sha256: str, size: int | None) -> Put:
    chunked = hub.xet.find(sha256) if hub.xet is not None else None
    if hub.xet is not None and chunked is not None and hub.store.blobs.size(sha256) is None:
        hub.xet.receive(chunked, sha256, hub.store.blobs)
    return Put(path, sha256, lfs=True, size=size, xet_hash=chunked.hash if chunked is not None else None)


async def _lines(request: web.Request, hub: Hub) -> AsyncIterator[bytes]:
    rest = bytearray()
    total = 0
    async for chunk in read_chunks(request, hub):
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
    return json_answer({"errors": [], "warnings": []})
