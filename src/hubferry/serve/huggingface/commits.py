"""Commits in the Hugging Face dialect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry.serve.committing import Proposal, make_commit
from hubferry.serve.exchange import check_path, decode_base64, decode_json, json_answer
from hubferry.serve.git import object_id
from hubferry.serve.hub import Hub, hub_of, writable_repository_of
from hubferry.serve.huggingface.routes import REPO, web_address
from hubferry.serve.lfs import never_lfs
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.rules import rules_of
from hubferry.serve.uploads import read_chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

routes = web.RouteTableDef()


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
    content = decode_base64(item.content) if item.encoding == "base64" else item.content.encode()
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
