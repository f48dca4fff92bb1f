"""Commits in the Hugging Face dialect: how to upload, the LFS batch, and the commit itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry.serve.attributes import ATTRIBUTES, Attributes
from hubferry.serve.batch import answer_batch
from hubferry.serve.cards import inspect_card
from hubferry.serve.committing import Proposal, make_commit
from hubferry.serve.exchange import check_path, decode_json, json_answer, read_json
from hubferry.serve.git import object_id
from hubferry.serve.hub import Hub, hub_of, writable_repository_of
from hubferry.serve.huggingface.routes import NAME, REPO, web_address
from hubferry.serve.lfs import is_large_or_binary, is_lfs, never_lfs
from hubferry.serve.quota import require_room
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.rules import rules_of
from hubferry.serve.uploads import read_chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hubferry.serve.tree import Tree

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
    hub = hub_of(request)
    if len(wish.files) > hub.limits.preupload_files:
        raise Refusal(Reason.INVALID, "Too many files in one preupload request")
    require_room(hub, repository, ())
    tree = repository.tree(repository.resolve(request.match_info["revision"]))
    attributes = _attributes(hub, tree)
    answers = []
    for file in wish.files:
        there = tree.get(file.path)
        sample = _decode_base64(file.sample)
        lfs = (
            is_lfs(file.path, file.size, sample)
            if attributes is None
            else file.size > 0 and (attributes.covers(file.path) or is_large_or_binary(file.size, sample))
        )
        mode = "lfs" if lfs else "regular"
        answer: dict[str, object] = {"path": file.path, "uploadMode": mode, "shouldIgnore": False}
        if there is not None:
            answer["oid"] = there.sha256 if there.lfs else there.git_sha1
        answers.append(answer)
    return json_answer({"files": answers})


def _attributes(hub: Hub, tree: Tree) -> Attributes | None:
    """Return what decides which file is a blob; None leaves it to the names of files."""
    if not hub.strict.attributes:
        return None
    file = tree.get(ATTRIBUTES)
    return Attributes(hub.store.blobs.read(file.sha256) if file is not None else b"")


@routes.post(f"/{{kind:datasets}}/{NAME}.git/info/lfs/objects/batch", name="hf:batch")
@routes.post(f"/{NAME}.git/info/lfs/objects/batch", name="hf:batch")
async def batch(request: web.Request) -> web.Response:
    """Answer which blobs have to be sent, and where to (git-lfs batch API, basic transfer)."""
    repository, _account = writable_repository_of(request)
    return json_answer({"transfer": "basic", "objects": await answer_batch(request, repository)})


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
    wish = Proposal(
        request.match_info["revision"],
        changes,
        header.summary,
        account.name,
        header.description,
        header.parent_commit,
        rules_of(hub.strict),
        hub.strict.huggingface_commits,
    )
    record = await asyncio.to_thread(make_commit, hub, repository, wish)
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
    most = hub.strict.commit_bytes or hub.limits.commit_bytes
    async for chunk in read_chunks(request, hub):
        total += len(chunk)
        rest += chunk
        if total > most or len(rest) > hub.limits.commit_line_bytes:
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


class CardQuestion(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST /api/validate-yaml`."""

    content: str
    repo_type: str = "model"


@routes.post("/api/validate-yaml", name="hf:validate-yaml")
async def validate_yaml(request: web.Request) -> web.Response:
    """Say what is wrong with a card; a hub that is not strict takes any, as a mirror should."""
    if not hub_of(request).strict.cards:
        await request.release()
        return json_answer({"errors": [], "warnings": []})
    report = inspect_card((await read_json(request, CardQuestion)).content)
    found = {
        "errors": [{"message": text} for text in report.errors],
        "warnings": [{"message": text} for text in report.warnings],
    }
    return json_answer(found, status=400 if report.errors else 200)
