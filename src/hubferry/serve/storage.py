"""The object storage behind both dialects: signed addresses to read one blob from, or to put it to."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from hubferry.serve.addresses import absolute
from hubferry.serve.bodies import BlobResponse
from hubferry.serve.browsers import kept_as
from hubferry.serve.exchange import read_json
from hubferry.serve.hub import Hub, hub_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.uploads import receive_blob, receive_part

routes = web.RouteTableDef()


@routes.get("/storage/{sha256}", name="storage:get")
async def get_blob(request: web.Request) -> web.StreamResponse:
    """Send a blob to who holds a signed address for it."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    claims = hub.signer.check("get", sha256, request.query)
    size = hub.store.blobs.size(sha256)
    if size is None:
        raise Refusal(Reason.ENTRY_MISSING, "No such blob")
    # being of the hub's own origin, the storage repeats what huggingface_hub looks for after a redirect
    headers = {"X-Linked-Size": str(size), "X-Linked-Etag": f'"{sha256}"'}
    if commit := claims.get("commit"):
        headers["X-Repo-Commit"] = commit
    headers |= kept_as(request, claims.get("name", sha256))
    return BlobResponse(request, hub.store.blobs.path(sha256), size, sha256, headers)


@routes.put("/storage/{sha256}", name="storage:put")
async def put_blob(request: web.Request) -> web.Response:
    """Store a blob for who holds a signed address for it; its bytes must hash to its name."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    size = int(hub.signer.check("put", sha256, request.query)["size"])
    _require_length(request, sha256, size)
    await receive_blob(request, sha256, size)
    return web.Response(headers={"ETag": f'"{sha256}"'})


@routes.put("/storage/{sha256}/part", name="storage:part")
async def put_part(request: web.Request) -> web.Response:
    """Store one part of a blob for who holds a signed address for it."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    claims = hub.signer.check("part", sha256, request.query)
    upload, number = hub.parts.find(claims["upload"]), int(claims["number"])
    _require_length(request, sha256, upload.length(number))
    part = await receive_part(request, upload.length(number))
    hub.parts.keep(claims["upload"], number, part)
    return web.Response(headers={"ETag": f'"{part.etag}"'})


class NamedPart(msgspec.Struct, frozen=True, rename="camel"):
    """A part as its sender names it."""

    part_number: int
    etag: str


class Joining(msgspec.Struct, frozen=True):
    """The body of the question that joins the parts of a blob."""

    oid: str
    parts: list[NamedPart]


@routes.post("/storage/{sha256}/join", name="storage:join")
async def join_parts(request: web.Request) -> web.Response:
    """Make a blob of its parts; each must be named with the ETag that it was stored under."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    claims = hub.signer.check("join", sha256, request.query)
    named = [(part.part_number, part.etag) for part in (await read_json(request, Joining)).parts]
    await asyncio.to_thread(hub.parts.join, claims["upload"], named, hub.store.blobs)
    return web.json_response({})


def _require_length(request: web.Request, sha256: str, size: int) -> None:
    if request.content_length not in (None, size):
        text = f"Content-Length is {request.content_length}, not {size}"
        raise Refusal(Reason.WRONG_BYTES, text, about=sha256)
    if request.content_length is None and hub_of(request).strict.lengths:
        raise Refusal(Reason.NO_LENGTH, about=sha256)


def put_address(request: web.Request, sha256: str, size: int) -> str:
    """Return where a blob of `size` bytes may be put.

    Raises:
        Refusal: It is no digest, or too large.
    """
    hub = hub_of(request)
    _require_possible(hub, sha256, size)
    return absolute(request, hub.signer.address("put", sha256, size=str(size)))


def part_addresses(request: web.Request, sha256: str, size: int, part_bytes: int) -> dict[str, object]:
    """Open an upload in parts; return the action that says where each goes, and where they are joined.

    Wire fact: huggingface_hub/lfs.py (`_get_sorted_parts_urls`).

    Raises:
        Refusal: As `put_address`, and of too many parts.
    """
    hub = hub_of(request)
    _require_possible(hub, sha256, size)
    name, upload = hub.parts.begin(sha256, size, part_bytes, hub.signer.lifetime)
    header = {"chunk_size": str(part_bytes)}
    for number in range(1, upload.count + 1):
        address = hub.signer.address("part", sha256, upload=name, number=str(number))
        header[f"{number:05}"] = absolute(request, address)
    return {"href": absolute(request, hub.signer.address("join", sha256, upload=name)), "header": header}


def _require_possible(hub: Hub, sha256: str, size: int) -> None:
    hub.store.blobs.path(sha256)
    if not 0 <= size <= hub.limits.blob_bytes:
        raise Refusal(Reason.TOO_LARGE, f"A blob may have {hub.limits.blob_bytes} bytes", about=sha256)
