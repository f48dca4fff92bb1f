"""Asking a history without holding up everybody else: what has to be read or computed is, in a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry import cards

if TYPE_CHECKING:
    from hubferry.serve.blobs import Blobs
    from hubferry.serve.records import FileRecord
    from hubferry.serve.repository import Repository
    from hubferry.serve.tree import Tree


async def tree_of(repository: Repository, commit: str) -> Tree:
    """Return all files of a commit."""
    kept = repository.history.kept_tree(commit)
    return kept if kept is not None else await asyncio.to_thread(repository.tree, commit)


async def listed_tree(repository: Repository, commit: str) -> Tree:
    """Return all files of a commit, with the folders and the order that a listing has."""

    def prepare() -> Tree:
        found = repository.tree(commit)
        found.prepare()
        return found

    kept = repository.history.kept_tree(commit)
    return kept if kept is not None and kept.prepared else await asyncio.to_thread(prepare)


async def file_of(repository: Repository, commit: str, path: str) -> FileRecord:
    """Return one file of a commit.

    Raises:
        Refusal: There is no such file.
    """
    return (await tree_of(repository, commit)).require(path)


def card_of(blobs: Blobs, tree: Tree) -> bytes:
    """Return the card of a commit; nothing where there is none, or one beyond reason. Blocks."""
    card = tree.get(cards.NAME)
    return b"" if card is None or card.size > cards.LARGEST else blobs.read(card.sha256)
