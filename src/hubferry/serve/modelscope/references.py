"""Branches and tags in the ModelScope dialect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from hubferry.serve.exchange import read_json
from hubferry.serve.hub import repository_of, writable_repository_of
from hubferry.serve.modelscope.answers import success
from hubferry.serve.modelscope.routes import REPO
from hubferry.serve.repository import DEFAULT_BRANCH

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = web.RouteTableDef()


class TagCreation(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of `POST .../repo/tag`."""

    tag_name: str
    ref: str = "master"


@routes.get(f"/api/v1/{REPO}/revisions", name="ms:revisions")
async def revisions(request: web.Request) -> web.Response:
    """List the names of branches and tags; like the real hub, without their commits."""
    repository = repository_of(request)

    def described(references: Mapping[str, str]) -> list[dict[str, object]]:
        return [
            {
                "Revision": "master" if name == DEFAULT_BRANCH else name,
                "CreatedAt": int(repository.history.commit(commit).time),
            }
            for name, commit in sorted(references.items())
        ]

    record = repository.record
    branches, tags = await asyncio.to_thread(lambda: (described(record.branches), described(record.tags)))
    return success({"RevisionMap": {"Branches": branches, "Tags": tags}})


@routes.post(f"/api/v1/{REPO}/repo/tag", name="ms:tag")
async def create_tag(request: web.Request) -> web.Response:
    """Create a tag at a revision."""
    repository, _account = writable_repository_of(request)
    wish = await read_json(request, TagCreation)
    await asyncio.to_thread(lambda: repository.add_tag(wish.tag_name, repository.resolve(wish.ref)))
    return success({"TagName": wish.tag_name})
