"""The LFS batch question, which both dialects ask: which of these blobs have to be sent, and where to?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

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


async def answer_batch(
    request: web.Request, repository: Repository, part_bytes: int | None = None
) -> list[dict[str, object]]:
    """Return an answer for each blob asked about, with an upload action where it is missing.

    A blob of more than `part_bytes` is to come in parts, if the client can do that; None never asks for it.

    Raises:
        Refusal: Not about uploads, about too many blobs, or about more than the repository may keep.
    """
    hub = hub_of(request)
    wish = await read_json(request, Batch)
    if wish.operation != "upload":
        raise Refusal(Reason.INVALID, "Only uploads are asked for here")
    if len(wish.objects) > hub.limits.batch_objects:
        raise Refusal(Reason.INVALID, f"More than {hub.limits.batch_objects} objects in one request")
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
