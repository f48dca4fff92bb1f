"""The Hugging Face dialect for repositories that come from upstream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode

from hubferry.errors import HubferryError
from hubferry.mirror.branches import commits_of, named_at_the_hub, renamed
from hubferry.mirror.memory import name_of
from hubferry.mirror.refusals import said
from hubferry.mirror.request import Asked, marks
from hubferry.mirror.snapshots import is_blob, shown_commit
from hubferry.serve.addresses import absolute
from hubferry.serve.exchange import flag, json_answer
from hubferry.serve.hub import hub_of
from hubferry.serve.huggingface.entries import PathsInfo, entry, sibling, wanted_paths
from hubferry.serve.huggingface.routes import iso_time, page_answer, window
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from hubferry.mirror.asking import Found
    from hubferry.mirror.snapshots import View

_ALWAYS = {"_id", "id", "modelId", "sha"}
_OK = 200


async def resolve(asked: Asked) -> web.StreamResponse:
    """Send a file."""
    match = asked.request.match_info
    found = await asked.look(match["revision"])
    file = found.view.files.get(match["path"])
    headers = {"X-Repo-Commit": found.view.commit}
    if file is not None and is_blob(file):
        headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
    return await asked.file(found, match["path"], headers)


async def info(asked: Asked) -> web.Response:
    """Describe a repository at a revision: as the hub does, with the files of the commit."""
    found = await asked.look(asked.request.match_info.get("revision"))
    view = found.view
    blobs = flag(asked.request, "blobs")
    if blobs and asked.upstream.translated:
        view = await asked.mirror.with_digests(asked.upstream, found, asked.who, git=True)
    return await asyncio.to_thread(_info, asked, found, view, blobs=blobs)


def _info(asked: Asked, found: Found, view: View, *, blobs: bool) -> web.Response:
    """Answer with a description; of many thousands of files that is not for the event loop."""
    described = described_by(asked, view)
    wanted = {name for key in ("expand", "expand[]") for name in asked.request.query.getall(key, ())}
    if not wanted or "siblings" in wanted:
        described["siblings"] = [
            sibling(path, view.tree.files[path], blobs=blobs) for path in view.tree.paths
        ]
    if not wanted or "usedStorage" in wanted:
        described.setdefault("usedStorage", view.bytes)
    if wanted:
        described = {name: value for name, value in described.items() if name in wanted | _ALWAYS}
    return json_answer(described, headers=marks(found))


def described_by(asked: Asked, view: View) -> dict[str, Any]:
    """Return the hub's own record, or what can be said of a repository of the other dialect."""
    snapshot = view.snapshot
    own = not asked.upstream.translated
    record: dict[str, Any] = dict(snapshot.record) if own else {}
    if record:
        return {**record, "sha": view.commit}
    changed = iso_time(float(_moment(snapshot.record)))
    license_ = snapshot.license
    return {
        "_id": asked.repo_id,
        "id": asked.repo_id,
        "modelId": asked.repo_id,
        "author": asked.repo_id.partition("/")[0] if "/" in asked.repo_id else None,
        "sha": view.commit,
        "lastModified": changed,
        "createdAt": changed,
        "private": snapshot.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [f"license:{license_}"] if license_ else [],
        "cardData": {"license": license_} if license_ else None,
    }


def _moment(record: Mapping[str, Any]) -> float:
    said_ = record.get("LastUpdatedTime")
    return said_ if isinstance(said_, (int, float)) and 0 <= said_ < 1e11 else 0.0  # noqa: PLR2004  # seconds


async def tree(asked: Asked) -> web.Response:
    """List a page of a folder, or of everything below it."""
    request = asked.request
    found = await asked.look(request.match_info["revision"])
    if flag(request, "expand") and not asked.upstream.translated:
        relayed = await _expanded(asked, found)
        if relayed is not None:
            return relayed
    view = await _with_git_ids(asked, found)
    folder = request.match_info.get("path", "").strip("/")
    entries = view.tree.below(folder, recursive=flag(request, "recursive"))
    if folder and not entries:
        raise Refusal(Reason.ENTRY_MISSING, "The folder does not exist at this revision", about=folder)
    part = window(request, hub_of(request).limits.page)
    shown = [entry(view.tree, path) for path in entries[part]]
    return page_answer(request, part, shown, len(entries), {"X-Repo-Commit": view.commit, **marks(found)})


async def _with_git_ids(asked: Asked, found: Found) -> View:
    if not asked.upstream.translated:
        return found.view
    return await asked.mirror.with_digests(asked.upstream, found, asked.who, git=True)


async def _expanded(asked: Asked, found: Found) -> web.Response | None:
    """Pass on a listing with the last commit of each file; None where nobody can be asked."""
    snapshot, match = found.view.snapshot, asked.request.match_info
    folder = f"/{quote(match['path'].strip('/'))}" if match.get("path") else ""
    there = f"/api/{snapshot.repo_type}s/{quote(snapshot.repo_id)}/tree/{snapshot.commit}{folder}"
    return await _relayed(asked, found, there, remember=False)


async def _relayed(asked: Asked, found: Found, path: str, *, remember: bool) -> web.Response | None:
    """Pass a question on, with its query and its next page; None where it cannot be answered."""
    query = f"?{asked.request.query_string}" if asked.request.query_string else ""
    try:
        answer = await asked.mirror.relay.get(
            asked.upstream, path + query, asked.who, remember=remember and found.public
        )
    except HubferryError:
        return None
    if answer.status != _OK or not isinstance(answer.body, (list, dict)):
        return None
    body = without_xet(answer.body)
    return json_answer(body, headers={**_link(asked.request, answer.link), **marks(found)})


def without_xet(body: Any) -> Any:
    """Return an answer without what would lead clients past the mirror."""
    entries = body if isinstance(body, list) else []
    return [
        {key: value for key, value in entry.items() if key != "xetHash"} if isinstance(entry, dict) else entry
        for entry in entries
    ] or body


def _link(request: web.Request, link: str) -> dict[str, str]:
    """Return the Link header of the next page, at the address by which the client reached this hub."""
    address, _bracket, rest = link.removeprefix("<").partition(">")
    if 'rel="next"' not in rest or "?" not in address:
        return {}
    asked = urlencode(parse_qs(address.partition("?")[2], keep_blank_values=True), doseq=True)
    return {"Link": f'<{absolute(request, quote(request.path))}?{asked}>; rel="next"'}


async def paths_info(asked: Asked) -> web.Response:
    """Describe the named files and folders; what is not there is left out."""
    wish = await wanted_paths(asked.request)
    found = await asked.look(asked.request.match_info["revision"])
    if wish.expand and not asked.upstream.translated and not asked.mirror.wishes.offline:
        relayed = await _expanded_paths(asked, found, wish)
        if relayed is not None:
            return relayed
    view = await _with_git_ids(asked, found)
    shown = [entry(view.tree, path) for path in wish.known_in(view.tree)]
    return json_answer(shown, headers=marks(found))


async def _expanded_paths(asked: Asked, found: Found, wish: PathsInfo) -> web.Response | None:
    snapshot = found.view.snapshot
    there = f"/api/{snapshot.repo_type}s/{quote(snapshot.repo_id)}/paths-info/{snapshot.commit}"
    try:
        answer = await asked.mirror.relay.post(
            asked.upstream, there, {"paths": wish.paths, "expand": True}, asked.who
        )
    except HubferryError:
        return None
    return (
        json_answer(without_xet(answer.body))
        if answer.status == _OK and isinstance(answer.body, list)
        else None
    )


async def references(asked: Asked) -> web.Response:
    """List branches and tags: as the hub does, else those that were asked for here."""
    found = await asked.look(None)
    snapshot = found.view.snapshot
    if not asked.upstream.translated:
        there = f"/api/{snapshot.repo_type}s/{quote(snapshot.repo_id)}/refs"
        relayed = await _relayed(asked, found, there, remember=True)
        if relayed is not None:
            return relayed
    else:
        translated = await _translated_references(asked, found)
        if translated is not None:
            return translated
    names = asked.mirror.memory.known(snapshot.ref()).names
    shown = {name or "main": one.commit for name, one in names.items() if not _is_commit(name, one.commit)}
    shown.setdefault("main", snapshot.commit)
    branches = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": shown_commit(commit)}
        for name, commit in sorted(shown.items())
        if not name.startswith("refs/")
    ]
    return json_answer({"branches": branches, "tags": [], "converts": []}, headers=marks(found))


async def _translated_references(asked: Asked, found: Found) -> web.Response | None:
    named = await named_at_the_hub(asked, found)
    if named is None:
        return None
    names = {"heads": renamed(named.branches, "main"), "tags": list(named.tags)}
    commits = await commits_of(asked, [*names["heads"], *names["tags"]])
    branches, tags = (
        [
            {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commits[name]}
            for name in names[kind]
            if name in commits
        ]
        for kind in ("heads", "tags")
    )
    return json_answer({"branches": branches, "tags": tags, "converts": []}, headers=marks(found))


def _is_commit(name: str, commit: str) -> bool:
    return bool(name) and name in (commit, shown_commit(commit))


async def commits(asked: Asked) -> web.Response:
    """List a page of the history: as the hub does, else the one commit that is known."""
    revision = asked.request.match_info["revision"]
    found = await asked.look(revision)
    snapshot = found.view.snapshot
    if not asked.upstream.translated:
        name = quote(name_of(revision) or snapshot.commit, safe="")
        there = f"/api/{snapshot.repo_type}s/{quote(snapshot.repo_id)}/commits/{name}"
        relayed = await _relayed(asked, found, there, remember=False)
        if relayed is not None:
            return relayed
    date = described_by(asked, found.view).get("lastModified") or iso_time(0.0)
    only: dict[str, object] = {
        "id": found.view.commit,
        "title": "",
        "message": "",
        "authors": [],
        "date": date,
    }
    return json_answer([only], headers=marks(found))


async def check_access(asked: Asked) -> web.Response:
    """Say whether whoever asks may read the content."""
    found = await asked.look(None)
    file = next((one for one in found.view.snapshot.files if one.size), None)
    if file is not None:
        await asked.mirror.demand_content(asked.upstream, found, file, asked.who)
    return json_answer({}, headers=marks(found))


async def refuse_xet(asked: Asked) -> web.Response:
    """Say that there is no chunked storage: it would lead clients past the mirror."""
    del asked
    raise Refusal(Reason.ROUTE_MISSING, "This mirror has no Xet: clients get whole files from it")


async def find(asked: Asked) -> web.Response | None:
    """Pass a search on, without what is not to be asked for; None where it cannot be answered."""
    try:
        answer = await asked.mirror.relay.get(
            asked.upstream, asked.request.path_qs, asked.who, remember=False
        )
    except HubferryError as error:
        raise said(error, "", None) from error
    if answer.status != _OK or not isinstance(answer.body, list):
        return None
    permits = asked.mirror.wishes.choice.permits
    shown = [entry for entry in answer.body if isinstance(entry, dict) and permits(str(entry.get("id", "")))]
    return json_answer(shown, headers=_link(asked.request, answer.link))
