"""Which tags the repositories of a hub have, in the Hugging Face dialect, by type."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve.exchange import json_answer
from hubferry.serve.hub import account_of, hub_of
from hubferry.serve.huggingface.repositories import described_tags
from hubferry.serve.reading import card_of

if TYPE_CHECKING:
    from hubferry.serve.hub import Hub
    from hubferry.serve.repository import Repository

routes = web.RouteTableDef()


@routes.get("/api/{kind:models|datasets}-tags-by-type", name="hf:tags")
async def by_type(request: web.Request) -> web.Response:
    """List the tags of the repositories that whoever asks may see; one with a colon says its type itself."""
    hub = hub_of(request)
    account = account_of(request)
    kind = request.match_info["kind"].removesuffix("s")
    seen = [one for one in hub.store.repositories(kind) if hub.policy.sees(account, one.record)]

    def gather() -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = {}
        for tag in sorted({tag for one in seen for tag in _tags(hub, one)}):
            before, colon, label = tag.partition(":")
            of_type = before if colon else "other"
            found.setdefault(of_type, []).append({"id": tag, "label": label or tag, "type": of_type})
        return found

    return json_answer(await asyncio.to_thread(gather))


def _tags(hub: Hub, repository: Repository) -> list[str]:
    tree = repository.tree(repository.resolve(None))
    return described_tags(repository.record, card_of(hub.store.blobs, tree))
