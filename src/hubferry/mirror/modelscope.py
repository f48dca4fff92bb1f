"""The ModelScope dialect for repositories that come from upstream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hubferry.catalog import moment_of
from hubferry.errors import HubferryError
from hubferry.mirror.branches import named_at_the_hub, renamed
from hubferry.mirror.refusals import said
from hubferry.mirror.request import Asked, marks
from hubferry.serve.exchange import flag, number
from hubferry.serve.modelscope.answers import open_success, success
from hubferry.serve.modelscope.entries import file_entry, folder_entry, latest_commit
from hubferry.serve.modelscope.repositories import GENERAL
from hubferry.serve.modelscope.routes import number_of
from hubferry.serve.records import CommitHead
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from hubferry.mirror.asking import Found
    from hubferry.mirror.snapshots import View

_PRIVATE, _PUBLIC = 1, 5
_OPEN = 2
_OK = 200
_MOST_A_PAGE = 3000


async def info(asked: Asked) -> web.Response:
    """Describe a repository: as the hub does, else as far as the other dialect tells."""
    found = await asked.look(None)
    described = _described(asked, found.view)
    if asked.kind == "dataset" and isinstance(number_ := described.get("Id"), int):
        asked.mirror.numbers.put(number_, asked.repo_id, 1)
    return _marked(success(described), found)


async def open_info(asked: Asked) -> web.Response:
    """Describe a repository the way the open API does."""
    found = await asked.look(None)
    snapshot = found.view.snapshot
    if not asked.upstream.translated:
        there = f"/openapi/v1/{snapshot.repo_type}s/{quote(snapshot.repo_id)}"
        passed = await _relayed(asked, found, there)
        if passed is not None:
            return open_success(passed)
    owner, _slash, name = asked.repo_id.rpartition("/")
    described = {
        "id": asked.repo_id,
        "owner": owner,
        "name": name,
        "private": snapshot.private,
        "gated": snapshot.gated,
        "license": snapshot.license or "",
        "description": "",
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "created_at": 0,
        "last_modified": _changed(found.view),
    }
    return _marked(open_success(described), found)


def _described(asked: Asked, view: View) -> dict[str, Any]:
    snapshot = view.snapshot
    if snapshot.record and not asked.upstream.translated:
        return dict(snapshot.record)
    owner, _slash, name = asked.repo_id.rpartition("/")
    described: dict[str, Any] = {
        "Id": number_of(asked.repo_id),
        "Path": owner,
        "Name": name,
        "ModelId": asked.repo_id,
        "Visibility": _PRIVATE if snapshot.private else _PUBLIC,
        "License": snapshot.license or "",
        "Description": "",
        "CreatedTime": _changed(view),
        "LastUpdatedTime": _changed(view),
        "ProtectedMode": _OPEN,
        "Revision": "master",
    }
    return {**described, "Type": GENERAL} if snapshot.repo_type == "dataset" else described


def _changed(view: View) -> int:
    record = view.snapshot.record
    return int(moment_of(record.get("LastUpdatedTime") or record.get("lastModified")) or 0)


async def files(asked: Asked) -> web.Response:
    """List a folder."""
    found, view, paths = await _listed(asked)
    latest = latest_commit(_commit(view, view.snapshot.commit))

    def answer() -> web.Response:
        shown = [_entry(view, path) for path in paths]
        return success({"Files": shown, "IsVisual": 0, "LatestCommitter": latest})

    return _marked(await asyncio.to_thread(answer), found)


async def pages(asked: Asked) -> web.Response:
    """List a page of a folder, as datasets are listed."""
    found, view, paths = await _listed(asked)
    page = number(asked.request, "PageNumber", 1)
    size = min(number(asked.request, "PageSize", _MOST_A_PAGE), _MOST_A_PAGE)
    shown = [_entry(view, path) for path in paths[max(0, page - 1) * size :][:size]]
    return _marked(success({"Files": shown, "TotalCount": len(paths)}), found)


async def _listed(asked: Asked) -> tuple[Found, View, list[str]]:
    found = await asked.look(asked.request.query.get("Revision"))
    view = await asked.mirror.with_digests(asked.upstream, found, asked.who, git=False)
    root = asked.request.query.get("Root", "").strip("/")
    return found, view, view.tree.below(root, recursive=flag(asked.request, "Recursive"))


def _entry(view: View, path: str) -> dict[str, object]:
    file = view.tree.get(path)
    if file is None:
        return folder_entry(path, view.tree.folders[path])
    return file_entry(path, file, _commit(view, view.files[path].revision or view.commit))


def _commit(view: View, name: str) -> CommitHead:
    """Return a commit of which nobody has told more than its name."""
    return CommitHead(name, None, _changed(view), "", "", "")


async def download(asked: Asked) -> web.StreamResponse:
    """Send a file."""
    path = asked.request.query.get("FilePath", "")
    if not path:
        raise Refusal(Reason.INVALID, "FilePath is required")
    found = await asked.look(asked.request.query.get("Revision"))
    file = found.view.files.get(path)
    headers = {"X-Linked-ETag": f'"{file.sha256}"'} if file is not None and file.sha256 else {}
    return await asked.file(found, path, headers)


async def revisions(asked: Asked) -> web.Response:
    """List the names of branches and tags."""
    found = await asked.look(None)
    snapshot = found.view.snapshot
    if not asked.upstream.translated:
        passed = await _relayed(
            asked, found, f"/api/v1/{snapshot.repo_type}s/{quote(snapshot.repo_id)}/revisions"
        )
        if passed is not None:
            return _marked(success(passed), found)
    else:
        named = await named_at_the_hub(asked, found)
        if named is not None:
            shown = _revisions(found, renamed(named.branches, "master"), named.tags)
            return _marked(success({"RevisionMap": shown}), found)
    known = asked.mirror.memory.known(snapshot.ref()).names
    names = {name or "master" for name, one in known.items() if not name or not one.commit.startswith(name)}
    shown = _revisions(found, sorted(names | {"master"}), ())
    return _marked(success({"RevisionMap": shown}), found)


def _revisions(found: Found, branches: Iterable[str], tags: Iterable[str]) -> dict[str, object]:
    created = _changed(found.view)
    return {
        kind: [{"Revision": name, "CreatedAt": created} for name in names]
        for kind, names in (("Branches", branches), ("Tags", tags))
    }


async def find(asked: Asked, kind: str) -> web.Response | None:
    """Pass a search on, without what is not to be asked for; None where it cannot be answered."""
    try:
        answer = await asked.mirror.relay.get(
            asked.upstream, asked.request.path_qs, asked.who, remember=False
        )
    except HubferryError as error:
        raise said(error, "", None) from error
    data = answer.body.get("data") if answer.status == _OK and isinstance(answer.body, dict) else None
    entries = data.get(kind) if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(entries, list):
        return None
    permits = asked.mirror.wishes.choice.permits
    shown = [entry for entry in entries if isinstance(entry, dict) and permits(str(entry.get("id", "")))]
    return open_success({**data, kind: shown})


async def _relayed(asked: Asked, found: Found, path: str) -> Any:
    """Pass a question on; return the data in its envelope, None where it cannot be answered."""
    try:
        answer = await asked.mirror.relay.get(asked.upstream, path, asked.who, remember=found.public)
    except HubferryError:
        return None
    body = answer.body if answer.status == _OK and isinstance(answer.body, dict) else {}
    return body.get("Data", body.get("data"))


def _marked(response: web.Response, found: Found) -> web.Response:
    response.headers.update(marks(found))
    return response
