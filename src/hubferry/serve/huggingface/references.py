"""Branches, tags and history in the Hugging Face dialect."""

from __future__ import annotations

import asyncio
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from hubferry.serve.exchange import flag, json_answer, read_json
from hubferry.serve.hub import hub_of, repository_of, writable_repository_of
from hubferry.serve.huggingface.routes import REPO, iso_time, page_answer, window
from hubferry.serve.repository import PULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.serve.records import CommitHead

routes = web.RouteTableDef()
_COMMITS_A_PAGE = 50


class BranchCreation(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST .../branch/{branch}`."""

    starting_point: str | None = None


class TagCreation(msgspec.Struct, frozen=True):
    """The body of `POST .../tag/{revision}`."""

    tag: str
    message: str | None = None


@routes.get(f"{REPO}/refs", name="hf:refs")
async def references(request: web.Request) -> web.Response:
    """List branches and tags with their commits, and pull requests when they are asked for."""
    record = repository_of(request).record
    own = record.annotated if hub_of(request).strict.tag_objects else {}
    pulls = [
        {"name": f"{PULL}{number}", "ref": f"{PULL}{number}", "targetCommit": commit}
        for number, commit in sorted(record.pulls.items(), key=lambda item: int(item[0]))
    ]
    asked: dict[str, object] = {"pullRequests": pulls} if flag(request, "include_prs") else {}

    def described(kind: str, found: Mapping[str, str]) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commit}
            for name, commit in sorted(found.items())
        ]

    return json_answer(
        {
            "branches": described("heads", record.branches),
            "tags": described("tags", {**record.tags, **own}),
            "converts": [],
            **asked,
        }
    )


@routes.get(f"{REPO}/commits/{{revision}}", name="hf:commits")
async def commits(request: web.Request) -> web.Response:
    """List a page of the history of a revision, newest first."""
    repository = repository_of(request)
    part = window(request, _COMMITS_A_PAGE)
    walk = repository.history.walk(repository.resolve(request.match_info["revision"]))
    found = await asyncio.to_thread(lambda: list(islice(walk, part.start, part.stop + 1)))
    formatted = "formatted" in request.query.getall("expand[]", []) + request.query.getall("expand", [])
    shown = [_described(record, formatted=formatted) for record in found[: part.stop - part.start]]
    return page_answer(request, part, shown, part.start + len(found))


def _described(record: CommitHead, *, formatted: bool) -> dict[str, object]:
    more: dict[str, object] = {}
    if formatted:
        more["formatted"] = {"title": escape(record.title), "message": escape(record.description)}
    return {
        **more,
        "id": record.id,
        "title": record.title,
        "message": record.description,
        "authors": [{"user": record.author, "avatar": ""}],
        "date": iso_time(record.time),
    }


@routes.post(f"{REPO}/branch/{{name}}", name="hf:branch")
async def create_branch(request: web.Request) -> web.Response:
    """Create a branch, at the default one unless told otherwise."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, BranchCreation)
    name, start = request.match_info["name"], wish.starting_point
    await asyncio.to_thread(lambda: repository.add_branch(name, repository.resolve(start)))
    return json_answer({})


@routes.delete(f"{REPO}/branch/{{name}}", name="hf:branch")
async def delete_branch(request: web.Request) -> web.Response:
    """Remove a branch."""
    repository, _account = writable_repository_of(request)
    await asyncio.to_thread(repository.remove_branch, request.match_info["name"])
    return json_answer({})


@routes.post(f"{REPO}/tag/{{revision}}", name="hf:tag")
async def create_tag(request: web.Request) -> web.Response:
    """Create a tag at a revision."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, TagCreation)
    revision = request.match_info["revision"]
    await asyncio.to_thread(
        lambda: repository.add_tag(wish.tag, repository.resolve(revision), wish.message or "")
    )
    return json_answer({})


class Squash(msgspec.Struct, frozen=True):
    """The body of `POST .../super-squash/{branch}`."""

    message: str = ""


@routes.post(f"{REPO}/super-squash/{{branch}}", name="hf:super-squash")
async def squash(request: web.Request) -> web.Response:
    """Replace the history of a branch by one commit; what it was stays, under its commits' names."""
    repository, account = writable_repository_of(request)
    branch = request.match_info["branch"]
    title = (await read_json(request, Squash)).message.strip() or f"Super-squash branch '{branch}'"
    record = await asyncio.to_thread(lambda: repository.squash(branch, title=title, author=account.name))
    return json_answer({"commitOid": record.id})


@routes.delete(f"{REPO}/tag/{{name}}", name="hf:tag")
async def delete_tag(request: web.Request) -> web.Response:
    """Remove a tag."""
    repository, _account = writable_repository_of(request)
    await asyncio.to_thread(repository.remove_tag, request.match_info["name"])
    return json_answer({})
