"""The object storage behind both dialects: signed addresses to read one blob from, or to put it to."""

from __future__ import annotations

from aiohttp import web

from hubferry.serve.addresses import absolute
from hubferry.serve.bodies import BlobResponse
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.uploads import receive_blob

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
    return BlobResponse(request, hub.store.blobs.path(sha256), size, sha256, headers)


@routes.put("/storage/{sha256}", name="storage:put")
async def put_blob(request: web.Request) -> web.Response:
    """Store a blob for who holds a signed address for it; its bytes must hash to its name."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    size = int(hub.signer.check("put", sha256, request.query)["size"])
    if request.content_length not in (None, size):
        text = f"Content-Length is {request.content_length}, not {size}"
        raise Refusal(Reason.WRONG_BYTES, text, about=sha256)
    if request.content_length is None and hub.strict.lengths:
        raise Refusal(Reason.NO_LENGTH, about=sha256)
    await receive_blob(request, sha256, size)
    return web.Response(headers={"ETag": f'"{sha256}"'})


def put_address(request: web.Request, sha256: str, size: int) -> str:
    """Return where a blob of `size` bytes may be put.

    Raises:
        Refusal: It is no digest, or too large.
    """
    hub = hub_of(request)
    hub.store.blobs.path(sha256)
    if not 0 <= size <= hub.limits.blob_bytes:
        raise Refusal(Reason.TOO_LARGE, f"A blob may have {hub.limits.blob_bytes} bytes", about=sha256)
    return absolute(request, hub.signer.address("put", sha256, size=str(size)))
