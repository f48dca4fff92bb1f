"""Files in the ModelScope dialect: listings that are cut at a limit, and downloads."""

from __future__ import annotations

from aiohttp import web

from hubferry.serve.bodies import BlobResponse
from hubferry.serve.git import folder_ids
from hubferry.serve.huggingface.files import list_folder
from hubferry.serve.hub import account_of, hub_of, repository_of
from hubferry.serve.modelscope.answers import success
from hubferry.serve.modelscope.repositories import REPO
from hubferry.serve.records import FileRecord
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import Repository
from hubferry.serve.storage import absolute

routes = web.RouteTableDef()


@routes.get(f"/api/v1/{REPO}/repo/files", name="ms:files")
async def files(request: web.Request) -> web.Response:
    """List a folder, cut without a word at the hub's limit (REPO_FILES_TRUNCATION_LIMIT)."""
    repository = repository_of(request)
    commit = repository.resolve(request.query.get("Revision"))
    shown = _entries(request, repository, commit)[: hub_of(request).limits.truncation]
    return success({"Files": shown, "IsVisual": 0, "LatestCommitter": latest(repository, commit)})


@routes.get("/api/v1/{kind:datasets}/{repo:[^/]+/[^/]+}/repo/tree", name="ms:tree")
async def tree(request: web.Request) -> web.Response:
    """List a page of a folder of a dataset."""
    repository = repository_of(request)
    commit = repository.resolve(request.query.get("Revision"))
    entries = _entries(request, repository, commit)
    number, size = (
        _number(request, "PageNumber", 1),
        _number(request, "PageSize", hub_of(request).limits.truncation),
    )
    page = entries[(number - 1) * size : number * size]
    return success({"Files": page, "TotalCount": len(entries)})


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) <= 10**9:
        raise Refusal(Reason.INVALID, f"{name} must be a positive number")
    return int(text[:12])


def latest(repository: Repository, commit: str) -> dict[str, object]:
    """Return the last commit as a listing mentions it."""
    record = repository.commit_record(commit)
    return {
        "Id": record.id,
        "Message": record.title,
        "CreatedAt": int(record.time),
        "AuthorName": record.author,
    }


def _entries(request: web.Request, repository: Repository, commit: str) -> list[dict[str, object]]:
    content = repository.tree(commit)
    root = request.query.get("Root", "").strip("/")
    recursive = request.query.get("Recursive", "").lower() in ("true", "1")
    ids = folder_ids(content)
    return [
        _entry(repository, path, content.get(path), ids)
        for path in list_folder(content, root, recursive=recursive)
    ]


def _entry(
    repository: Repository, path: str, file: FileRecord | None, ids: dict[str, str]
) -> dict[str, object]:
    name = path.rpartition("/")[2]
    if file is None:
        return {"Path": path, "Name": name, "Type": "tree", "Size": 0, "Id": ids[path], "IsLFS": False}
    record = repository.commit_record(file.commit)
    return {
        "Path": path,
        "Name": name,
        "Type": "blob",
        "Size": file.size,
        "Sha256": file.sha256,
        "Id": file.git_sha1,
        "IsLFS": file.lfs,
        "Mode": "100644",
        "Revision": file.commit,
        "CommitId": file.commit,
        "CommitMessage": record.title,
        "CommittedDate": int(record.time),
        "CommitterName": record.author,
        "InCheck": False,
    }


@routes.get(f"/api/v1/{REPO}/repo", name="ms:download")
async def download(request: web.Request) -> web.StreamResponse:
    """Send a file, or the address of the storage that has it."""
    hub = hub_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    path = request.query.get("FilePath", "")
    if not path:
        raise Refusal(Reason.INVALID, "FilePath is required")
    file = repository.file(repository.resolve(request.query.get("Revision")), path)
    if not file.lfs:
        return BlobResponse(hub.store.blobs.path(file.sha256), file.size, file.sha256)
    location = absolute(request, hub.signer.address("get", file.sha256))
    return web.Response(status=302, headers={"Location": location, "X-Linked-ETag": f'"{file.sha256}"'})
