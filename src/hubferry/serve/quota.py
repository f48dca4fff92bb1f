"""How many bytes of blobs a repository and its owner keep, and the refusal of more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.serve.records import Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.store import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.serve.hub import Hub
    from hubferry.serve.records import Change
    from hubferry.serve.repository import Repository


def require_room(hub: Hub, repository: Repository, more: Iterable[tuple[str, int]]) -> None:
    """Refuse blobs, by digest and size, that do not fit into the quota beside those that are named already.

    Raises:
        Refusal: The repository's or its owner's quota would be exceeded.
    """
    quota = hub.strict.quota
    if quota is None:
        return
    sizes = dict(more)
    if quota.repository is not None and _bytes([repository], sizes) > quota.repository:
        raise _exhausted(repository)
    others = _of_same_owner(hub, repository)
    if quota.account is not None and _bytes(others, sizes) > quota.account:
        raise _exhausted(repository)
    if quota.private is not None and repository.record.private:
        hidden = [one for one in others if one.record.private]
        if _bytes(hidden, sizes) > quota.private:
            raise _exhausted(repository)


async def ask_for_room(hub: Hub, repository: Repository, more: Sequence[tuple[str, int]]) -> None:
    """Do as `require_room` off the event loop, which has to read the trees of all that the owner has."""
    if hub.strict.quota is not None:
        await asyncio.to_thread(require_room, hub, repository, more)


def blobs_of(changes: Sequence[Change]) -> list[tuple[str, int]]:
    """Return the blobs that a commit names, by digest and size."""
    return [(put.sha256, put.size or 0) for put in changes if isinstance(put, Put) and put.lfs]


def _of_same_owner(hub: Hub, repository: Repository) -> list[Repository]:
    owner = repository.record.repo_id.partition("/")[0]
    found = [one for kind in KINDS for one in hub.store.repositories(kind)]
    return [one for one in found if one.record.repo_id.partition("/")[0] == owner]


def _bytes(repositories: Sequence[Repository], more: dict[str, int]) -> int:
    """Return the bytes of the blobs on the branches, each counted once a repository."""
    total = 0
    for repository in repositories:
        named: dict[str, int] = {}
        for commit in set(repository.record.branches.values()):
            files = repository.tree(commit).files.values()
            named |= {file.sha256: file.size for file in files if file.lfs}
        more = {sha256: size for sha256, size in more.items() if sha256 not in named}
        total += sum(named.values())
    return total + sum(more.values())


def _exhausted(repository: Repository) -> Refusal:
    return Refusal(Reason.QUOTA, "", about="private" if repository.record.private else "public")
