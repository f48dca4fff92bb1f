"""Files in the ModelScope dialect: listings that are cut at a limit, and downloads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve.addresses import absolute
from hubferry.serve.bodies import BlobResponse
from hubferry.serve.committing import shown_commit
from hubferry.serve.exchange import flag, number
from hubferry.serve.hub import account_of, hub_of, repository_of, visible_repository
from hubferry.serve.modelscope.answers import success
from hubferry.serve.modelscope.entries import file_entry, folder_entry, latest_commit
from hubferry.serve.modelscope.routes import NUMBERED, REPO, number_of
from hubferry.serve.reading import file_of, listed_tree
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from hubferry.serve.repository import Repository
    from hubferry.serve.tree import Tree

routes = web.RouteTableDef()


@routes.get(f"/api/v1/{REPO}/repo/files", name="ms:files")
async def files(request: web.Request) -> web.Response:
    """List a folder, cut without a word at the hub's limit (REPO_FILES_TRUNCATION_LIMIT)."""
    repository = repository_of(request)
    _refuse_in_passing(request)
    commit = shown_commit(hub_of(request), repository, request.query.get("Revision"))
    tree, paths = await _listed(request, repository, commit)
    shown, last = await asyncio.to_thread(
        lambda: (
            [_entry(repository, tree, path) for path in paths[: hub_of(request).limits.truncation]],
            repository.history.commit(commit),
        )
    )
    return success({"Files": shown, "IsVisual": 0, "LatestCommitter": latest_commit(last)})


@routes.get(f"/api/v1/{REPO}/repo/tree", name="ms:tree")
async def pages(request: web.Request) -> web.Response:
    """List a page of a folder, as datasets are listed."""
    return await _page(request, repository_of(request))


@routes.get(f"/api/v1/{NUMBERED}/repo/tree", name="ms:numbered-tree")
async def numbered_pages(request: web.Request) -> web.Response:
    """List a page of a folder of a dataset that is named by its number."""
    number_ = int(request.match_info["number"])
    datasets = hub_of(request).store.repositories("dataset")
    found = [one.record.repo_id for one in datasets if number_of(one.record.repo_id) == number_]
    # of two that happen to have the same number none can be meant
    name = found[0] if len(found) == 1 else str(number_)
    return await _page(request, visible_repository(request, name, "dataset"))


async def _page(request: web.Request, repository: Repository) -> web.Response:
    _refuse_in_passing(request)
    hub = hub_of(request)
    commit = shown_commit(hub, repository, request.query.get("Revision"))
    tree, paths = await _listed(request, repository, commit)
    limit = hub.strict.dataset_page or hub.limits.truncation
    page, size = number(request, "PageNumber", 1), min(number(request, "PageSize", limit), limit)
    if hub.strict.repeated_pages:
        page = min(page, max(1, -(-len(paths) // max(1, size))))
    wanted = paths[max(0, page - 1) * size :][:size]
    shown = await asyncio.to_thread(lambda: [_entry(repository, tree, path) for path in wanted])
    return success({"Files": shown, "TotalCount": len(paths)})


def _refuse_in_passing(request: web.Request) -> None:
    """Refuse a listing now and then, as happens in long walks (modelscope_hub._legacy_api)."""
    hub = hub_of(request)
    if hub.strict.passing_refusal and next(hub.memory.listings) % hub.strict.passing_refusal == 0:
        raise Refusal(Reason.FORBIDDEN, "Forbidden")


async def _listed(request: web.Request, repository: Repository, commit: str) -> tuple[Tree, list[str]]:
    tree = await listed_tree(repository, commit)
    root = request.query.get("Root", "").strip("/")
    return tree, tree.below(root, recursive=flag(request, "Recursive"))


def _entry(repository: Repository, tree: Tree, path: str) -> dict[str, object]:
    file = tree.get(path)
    if file is None:
        return folder_entry(path, tree.folders[path])
    return file_entry(path, file, repository.history.commit(file.commit))


@routes.get(f"/api/v1/{REPO}/repo", name="ms:download")
async def download(request: web.Request) -> web.StreamResponse:
    """Send a file, or the address of the storage that has it."""
    hub = hub_of(request)
    repository = repository_of(request)
    hub.policy.require_content(account_of(request), repository.record)
    path = request.query.get("FilePath", "")
    if not path:
        raise Refusal(Reason.INVALID, "FilePath is required")
    file = await file_of(repository, repository.resolve(request.query.get("Revision")), path)
    if not file.lfs:
        return BlobResponse(request, hub.store.blobs.path(file.sha256), file.size, file.sha256)
    location = absolute(request, hub.signer.address("get", file.sha256))
    return web.Response(status=302, headers={"Location": location, "X-Linked-ETag": f'"{file.sha256}"'})
