"""Branches and tags of a repository as its hub tells them, for clients of the other dialect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from hubferry.errors import HubferryError
from hubferry.hubs.http.answers import texts_in
from hubferry.serve.refusal import Refusal
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubferry.mirror.asking import Found
    from hubferry.mirror.request import Asked

_OK = 200
_DEFAULTS = ("main", "master")
_MOST = 64
"""Names of which the commits are found out: a hub that does not tell them is asked for each by itself."""
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Named:
    """The names of branches and of tags, in the hub's order."""

    branches: tuple[str, ...]
    tags: tuple[str, ...]


async def named_at_the_hub(asked: Asked, found: Found) -> Named | None:
    """Return the names that the hub has; None where it cannot be asked."""
    snapshot = found.view.snapshot
    name = f"{snapshot.repo_type}s/{quote(snapshot.repo_id)}"
    is_modelscope = asked.upstream.hub == "ms"
    there = f"/api/v1/{name}/revisions" if is_modelscope else f"/api/{name}/refs"
    try:
        answer = await asked.mirror.relay.get(asked.upstream, there, asked.who, remember=found.public)
    except HubferryError:
        return None
    if answer.status != _OK or not isinstance(answer.body, dict):
        return None
    if not is_modelscope:
        return Named(texts_in(answer.body.get("branches"), "name"), texts_in(answer.body.get("tags"), "name"))
    data = answer.body.get("Data")
    listed = data.get("RevisionMap") if isinstance(data, dict) else None
    if not isinstance(listed, dict):
        return None
    return Named(texts_in(listed.get("Branches"), "Revision"), texts_in(listed.get("Tags"), "Revision"))


def renamed(names: Iterable[str], default: str) -> list[str]:
    """Return the names as the other dialect has them: the default branch is called otherwise there."""
    return list(dict.fromkeys(default if name in _DEFAULTS else name for name in names))


async def commits_of(asked: Asked, names: Iterable[str]) -> dict[str, str]:
    """Return what names mean, in forty digits; without those that mean nothing."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def meant(name: str) -> str | None:
        async with gate:
            try:
                return (await asked.look(name)).view.commit
            except Refusal:
                return None

    wanted = list(names)[:_MOST]
    commits = await run_all(*map(meant, wanted))
    return {name: commit for name, commit in zip(wanted, commits, strict=True) if commit is not None}
