"""Files in the Hugging Face dialect: listings with their hashes, and the files themselves."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from aiohttp import web

from hubferry.serve.bodies import BlobResponse
from hubferry.serve.git import folder_ids, pointer
from hubferry.serve.huggingface.repositories import REPO
from hubferry.serve.hub import account_of, hub_of, repository_of
from hubferry.serve.records import FileRecord, Tree
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.requests import read_body
from hubferry.serve.storage import absolute

routes = web.RouteTableDef()


@routes.get(f"/api/{REPO}/tree/{{revision}}", name="hf:tree")
@routes.get(f"/api/{REPO}/tree/{{revision}}/{{path:.*}}", name="hf:tree")
async def tree(request: web.Request) -> web.Response:
    """List a folder, or everything below it, in pages."""
    repository = repository_of(request)
    commit = repository.resolve(request.match_info["revision"])
    folder = request.match_info.get("path", "").strip("/")
    recursive = request.query.get("recursive", "").lower() in ("true", "1")
    files = repository.tree(commit)
    entries = list_folder(files, folder, recursive=recursive)
    if folder and not entries:
        raise Refusal(Reason.ENTRY_MISSING, f"{folder} does not exist on revision", about=folder)
    page = hub_of(request).limits.page
    start = _cursor(request)
    headers = {"X-Repo-Commit": commit}
    if start + page < len(entries):
        query = urlencode({**request.query, "cursor": str(start + page)})
        headers["Link"] = f'<{absolute(request, quote(request.path))}?{query}>; rel="next"'
    ids = folder_ids(files)
    shown = [entry(path, files.get(path), ids) for path in entries[start : start + page]]
    return web.json_response(shown, headers=headers)


def list_folder(files: Tree, folder: str, *, recursive: bool) -> list[str]:
    """Return the paths of files and folders in `folder`, sorted."""
    prefix = f"{folder}/" if folder else ""
    found: set[str] = set()
    for path in files:
        if not path.startswith(prefix):
            continue
        below = path[len(prefix) :].split("/")
        if recursive:
            found.update(prefix + "/".join(below[: depth + 1]) for depth in range(len(below)))
        else:
            found.add(prefix + below[0])
    return sorted(found)


def entry(path: str, file: FileRecord | None, ids: dict[str, str]) -> dict[str, object]:
    """Describe a file, or a folder where `file` is None, as a tree listing does."""
    if file is None:
        return {"type": "directory", "oid": ids[path], "size": 0, "path": path}
    found: dict[str, object] = {"type": "file", "oid": file.git_sha1, "size": file.size, "path": path}
    if file.lfs:
        size = len(pointer(file.sha256, file.size))
        found["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": size}
    if file.xet_hash:
        found["xetHash"] = file.xet_hash
    return found


def _cursor(request: web.Request) -> int:
    text = request.query.get("cursor", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 12:  # noqa: PLR2004  # no listing is that long
        raise Refusal(Reason.INVALID, "Invalid cursor")
    return int(text)


@routes.post(f"/api/{REPO}/paths-info/{{revision}}", name="hf:paths-info")
async def paths_info(request: web.Request) -> web.Response:
    """Describe the named files and folders; what is not there is left out."""
    repository = repository_of(request)
    commit = repository.resolve(request.match_info["revision"])
    files = repository.tree(commit)
    ids = folder_ids(files)
    paths = await _paths(request)
    known = [path for path in paths if path in files or path in ids]
    return web.json_response([entry(path, files.get(path), ids) for path in known])


async def _paths(request: web.Request) -> Iterable[str]:
    from urllib.parse import parse_qs  # noqa: PLC0415

    body = await read_body(request, hub_of(request).limits.json_bytes)
    return parse_qs(body.decode(errors="replace")).get("paths", [])


@routes.get("/{kind:datasets}/{repo:[^/]+(?:/[^/]+)?}/resolve/{revision}/{path:.+}", name="hf:resolve")
@routes.get("/{repo:[^/]+(?:/[^/]+)?}/resolve/{revision}/{path:.+}", name="hf:resolve")
async def resolve(request: web.Request) -> web.StreamResponse:
    """Send a file, or the address of the storage that has it."""
    hub = hub_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    commit = repository.resolve(request.match_info["revision"])
    file = repository.file(commit, request.match_info["path"])
    headers = {"X-Repo-Commit": commit}
    if not file.lfs:
        return BlobResponse(hub.store.blobs.path(file.sha256), file.size, file.git_sha1, headers)
    headers["X-Linked-Size"] = str(file.size)
    headers["X-Linked-Etag"] = headers["ETag"] = f'"{file.sha256}"'
    headers["Location"] = absolute(request, hub.signer.address("get", file.sha256, commit=commit))
    return web.Response(status=302, headers=headers)
