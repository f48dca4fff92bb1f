"""The object storage behind both dialects: signed addresses from which one blob is read, or to which it is put."""

from __future__ import annotations

from aiohttp import web

from hubferry.serve.bodies import BlobResponse, receive_blob
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal

routes = web.RouteTableDef()


def absolute(request: web.Request, path: str) -> str:
    """Return `path` on the address the client reached this hub by."""
    return f"{request.scheme}://{request.host}{path}"


@routes.get("/storage/{sha256}", name="storage:get")
async def get_blob(request: web.Request) -> web.StreamResponse:
    """Send a blob to who holds a signed address for it."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    hub.signer.check("get", sha256, request.query)
    size = hub.store.blobs.size(sha256)
    if size is None:
        raise Refusal(Reason.ENTRY_MISSING, "No such blob")
    headers = {"X-Linked-Size": str(size), "X-Linked-Etag": f'"{sha256}"'}
    if commit := request.query.get("commit"):
        headers["X-Repo-Commit"] = commit
    return BlobResponse(hub.store.blobs.path(sha256), size, sha256, headers)


@routes.put("/storage/{sha256}", name="storage:put")
async def put_blob(request: web.Request) -> web.Response:
    """Store a blob for who holds a signed address for it; its bytes must hash to its name."""
    hub = hub_of(request)
    sha256 = request.match_info["sha256"]
    hub.signer.check("put", sha256, request.query)
    size = int(request.query["size"])
    if request.content_length is not None and request.content_length != size:
        raise Refusal(
            Reason.WRONG_BYTES, f"Content-Length is {request.content_length}, not {size}", about=sha256
        )
    await receive_blob(request, sha256, size)
    return web.Response(headers={"ETag": f'"{sha256}"'})
