"""Files in the Hugging Face dialect: listings with their hashes, and the files themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from aiohttp import web

from hubferry.serve.addresses import absolute, relative
from hubferry.serve.bodies import BlobResponse
from hubferry.serve.browsers import is_browser, kept_as
from hubferry.serve.committing import shown_commit
from hubferry.serve.exchange import flag, json_answer
from hubferry.serve.hub import account_of, hub_of, repository_of
from hubferry.serve.huggingface.entries import entry, wanted_paths
from hubferry.serve.huggingface.routes import NAME, REPO, iso_time, page_answer, window
from hubferry.serve.reading import file_of, listed_tree
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from hubferry.serve.records import CommitHead, FileRecord
    from hubferry.serve.repository import Repository
    from hubferry.serve.tree import Tree

routes = web.RouteTableDef()


@routes.get(f"{REPO}/tree/{{revision}}", name="hf:tree")
@routes.get(f"{REPO}/tree/{{revision}}/{{path:.*}}", name="hf:tree")
async def list_tree(request: web.Request) -> web.Response:
    """List a page of a folder, or of everything below it."""
    repository = repository_of(request)
    commit = shown_commit(hub_of(request), repository, request.match_info["revision"])
    tree = await listed_tree(repository, commit)
    folder = request.match_info.get("path", "").strip("/")
    entries = tree.below(folder, recursive=flag(request, "recursive"))
    if folder and not entries:
        raise Refusal(Reason.ENTRY_MISSING, "The folder does not exist at this revision", about=folder)
    part = window(request, hub_of(request).limits.page)
    history = repository if flag(request, "expand") else None
    xet = hub_of(request).xet is not None
    shown = await _described(tree, entries[part], history, xet=xet)
    return page_answer(request, part, shown, len(entries), {"X-Repo-Commit": commit})


async def _described(
    tree: Tree, paths: list[str], history: Repository | None, *, xet: bool
) -> list[dict[str, object]]:
    def describe() -> list[dict[str, object]]:
        return [_entry(tree, path, history, xet=xet) for path in paths]

    return describe() if history is None else await asyncio.to_thread(describe)


def _entry(tree: Tree, path: str, history: Repository | None, *, xet: bool) -> dict[str, object]:
    """Describe a file or folder as a tree listing does, with its last commit when `history` is given."""
    file, found = tree.get(path), entry(tree, path)
    if file is not None and file.xet_hash and xet:
        found["xetHash"] = file.xet_hash
    if history is not None:
        last = history.history.commit(file.commit) if file is not None else _latest_below(tree, path, history)
        found["lastCommit"] = _last_commit(last)
    return found


def _latest_below(tree: Tree, folder: str, repository: Repository) -> CommitHead:
    below = (tree.get(path) for path in tree.below(folder, recursive=True))
    commits = {file.commit for file in below if file is not None}
    return max((repository.history.commit(name) for name in commits), key=lambda head: head.time)


def _last_commit(last: CommitHead) -> dict[str, object]:
    return {"id": last.id, "title": last.title, "date": iso_time(last.time)}


@routes.post(f"{REPO}/paths-info/{{revision}}", name="hf:paths-info")
async def paths_info(request: web.Request) -> web.Response:
    """Describe the named files and folders; what is not there is left out."""
    repository = repository_of(request)
    tree = await listed_tree(repository, repository.resolve(request.match_info["revision"]))
    wish = await wanted_paths(request)
    history = repository if wish.expand else None
    xet = hub_of(request).xet is not None
    return json_answer(await _described(tree, wish.known_in(tree), history, xet=xet))


@routes.get(f"/{{kind:datasets}}/{NAME}/resolve/{{revision}}/{{path:.+}}", name="hf:resolve")
@routes.get(f"/{NAME}/resolve/{{revision}}/{{path:.+}}", name="hf:resolve")
async def resolve(request: web.Request) -> web.StreamResponse:
    """Send a file, or the address of the storage that has it."""
    hub = hub_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    commit = repository.resolve(request.match_info["revision"])
    file = await file_of(repository, commit, request.match_info["path"])
    headers = {"X-Repo-Commit": commit, **kept_as(request, request.match_info["path"])}
    if not file.lfs and not hub.strict.resolve_cache:
        return BlobResponse(request, hub.store.blobs.path(file.sha256), file.size, file.git_sha1, headers)
    headers["X-Linked-Size"] = str(file.size)
    if not file.lfs:
        headers["X-Linked-Etag"] = f'"{file.git_sha1}"'
        headers["Location"] = _cache_address(repository, commit, file, request)
        return web.Response(status=307, headers=headers)
    headers["X-Linked-Etag"] = headers["ETag"] = f'"{file.sha256}"'
    if file.xet_hash and hub.xet is not None:
        record = repository.record
        refresh = absolute(request, f"/api/{record.kind}s/{record.repo_id}/xet-read-token/{commit}")
        headers |= {"X-Xet-Hash": file.xet_hash, "Link": f'<{refresh}>; rel="xet-auth"'}
    named = {"name": request.match_info["path"].rpartition("/")[2]} if is_browser(request) else {}
    headers["Location"] = absolute(request, hub.signer.address("get", file.sha256, commit=commit, **named))
    return web.Response(status=302, headers=headers)


def _cache_address(repository: Repository, commit: str, file: FileRecord, request: web.Request) -> str:
    """Return where a file that is no blob is found, without the hub's own address as the real one has it."""
    record, path = repository.record, quote(request.match_info["path"])
    query = urlencode({request.path: "", "etag": f'"{file.git_sha1}"'})
    return relative(request, f"/api/resolve-cache/{record.kind}s/{record.repo_id}/{commit}/{path}?{query}")


@routes.get(
    f"/api/resolve-cache/{{kind:models|datasets}}/{NAME}/{{commit}}/{{path:.+}}", name="hf:resolve-cache"
)
async def resolve_cached(request: web.Request) -> web.StreamResponse:
    """Send a file that is no blob."""
    hub = hub_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    commit = repository.resolve(request.match_info["commit"])
    file = await file_of(repository, commit, request.match_info["path"])
    headers = {"X-Repo-Commit": commit}
    return BlobResponse(request, hub.store.blobs.path(file.sha256), file.size, file.git_sha1, headers)
