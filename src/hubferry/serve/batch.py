"""The LFS batch question, which both dialects ask: which of these blobs have to be sent, and where to?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from hubferry.serve.addresses import absolute
from hubferry.serve.exchange import read_json
from hubferry.serve.hub import hub_of
from hubferry.serve.quota import ask_for_room
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.storage import part_addresses, put_address

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.serve.repository import Repository


class BatchObject(msgspec.Struct, frozen=True):
    """A blob that someone asks about."""

    oid: str
    size: int


class Batch(msgspec.Struct, frozen=True):
    """The body of an LFS batch request (git-lfs, docs/api/batch.md)."""

    objects: list[BatchObject]
    operation: str = "upload"
    transfers: list[str] = msgspec.field(default_factory=list)


async def read_batch(request: web.Request) -> Batch:
    """Return what is asked about blobs.

    Raises:
        Refusal: Too many at once, or neither about sending nor about getting them.
    """
    wish, most = await read_json(request, Batch), hub_of(request).limits.batch_objects
    if wish.operation not in ("upload", "download"):
        raise Refusal(Reason.INVALID, "Blobs are uploaded or downloaded here")
    if len(wish.objects) > most:
        raise Refusal(Reason.INVALID, f"More than {most} objects in one request")
    return wish


async def answer_downloads(
    request: web.Request, repository: Repository, wish: Batch
) -> list[dict[str, object]]:
    """Return where to get each blob that a file of this repository is; git-lfs asks so after a clone."""
    hub = hub_of(request)
    known = await asyncio.to_thread(_blobs_of, repository)
    answers: list[dict[str, object]] = []
    for blob in wish.objects:
        answer: dict[str, object] = {"oid": blob.oid, "size": blob.size}
        if known.get(blob.oid) == blob.size:
            href = absolute(request, hub.signer.address("get", blob.oid))
            answers.append({**answer, "authenticated": True, "actions": {"download": {"href": href}}})
        else:
            answers.append({**answer, "error": {"code": 404, "message": "no such object in this repository"}})
    return answers


def _blobs_of(repository: Repository) -> dict[str, int]:
    """Return the blobs that branches, tags and pull requests lead to."""
    record = repository.record
    heads = {*record.branches.values(), *record.tags.values(), *record.pulls.values()}
    trees = (repository.tree(head) for head in heads)
    return {file.sha256: file.size for tree in trees for file in tree.files.values() if file.lfs}


async def answer_batch(
    request: web.Request, repository: Repository, wish: Batch, part_bytes: int | None = None
) -> list[dict[str, object]]:
    """Return an answer for each blob that somebody wants to send, with an action where it is missing.

    A blob of more than `part_bytes` is to come in parts, if the client can do that; None never asks for it.

    Raises:
        Refusal: The repository may not keep so much.
    """
    hub = hub_of(request)
    await ask_for_room(hub, repository, [(blob.oid, blob.size) for blob in wish.objects])
    answers = []
    for blob in wish.objects:
        answer: dict[str, object] = {"oid": blob.oid, "size": blob.size}
        if hub.store.blobs.size(blob.oid) != blob.size:
            in_parts = part_bytes is not None and blob.size > part_bytes and "multipart" in wish.transfers
            answer["actions"] = {
                "upload": part_addresses(request, blob.oid, blob.size, part_bytes)
                if in_parts and part_bytes is not None
                else {"href": put_address(request, blob.oid, blob.size)}
            }
        answers.append(answer)
    return answers
