"""Commits in the Hugging Face dialect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry.serve.committing import Proposal, make_commit
from hubferry.serve.exchange import check_path, decode_base64, decode_json, json_answer
from hubferry.serve.git import object_id
from hubferry.serve.hub import Hub, hub_of
from hubferry.serve.huggingface.discussions import contributor_of, proposer_of
from hubferry.serve.huggingface.routes import REPO, web_address
from hubferry.serve.lfs import never_lfs
from hubferry.serve.pulls import note_commit, open_pull, withdraw_pull
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import PULL
from hubferry.serve.rules import rules_of
from hubferry.serve.uploads import read_chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hubferry.serve.discussions import Discussion
    from hubferry.serve.repository import Repository

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
    proposing = request.query.get("create_pr") == "1"
    revision = request.match_info["revision"]
    repository, account = contributor_of(request) if proposing else proposer_of(request, revision)
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
    reference, pull = revision, None
    if proposing:
        _require_parent(repository, revision, header.parent_commit)
        pull = await asyncio.to_thread(_open, repository, revision, header, account.name)
        reference = f"{PULL}{pull.number}"
    wish = Proposal(
        reference,
        changes,
        header.summary,
        account.name,
        header.description,
        header.parent_commit,
        rules_of(hub.strict),
        hub.strict.huggingface_commits,
    )
    try:
        record = await asyncio.to_thread(make_commit, hub, repository, wish)
    except Exception:
        if pull is not None:
            await asyncio.to_thread(withdraw_pull, repository, pull.number)
        raise
    if reference.startswith(PULL):
        await asyncio.to_thread(note_commit, repository, reference, record)
    page = web_address(request, repository)
    answer: dict[str, object] = {"success": True, "commitOid": record.id, "hookOutput": ""}
    answer["commitUrl"] = f"{page}/commit/{record.id}"
    if pull is not None:
        answer["pullRequestUrl"] = f"{page}/discussions/{pull.number}"
    return json_answer(answer)


def _open(repository: Repository, revision: str, header: Header, author: str) -> Discussion:
    return open_pull(repository, revision, header.summary, author, header.description, status="open")


def _require_parent(repository: Repository, revision: str, parent: str | None) -> None:
    """Refuse before a pull request is opened what its commit would be refused for."""
    if parent is not None and not repository.head(revision).startswith(parent):
        raise Refusal(Reason.OUTDATED)


def _change(hub: Hub, key: str, item: Item) -> Change:
    path = item.path.rstrip("/") if key == "deletedFolder" else item.path
    if "\\" in path and ".." in path.replace("\\", "/").split("/"):
        raise Refusal(Reason.INVALID, f"Invalid path: {path[:200]!r}", status=422)
    check_path(path)
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
