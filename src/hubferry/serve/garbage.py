"""Blobs that nobody names: what uploads left that no commit followed, and what deleted repositories had."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.serve.disk import sync
from hubferry.serve.store import KINDS

if TYPE_CHECKING:
    from hubferry.serve.store import Store


@dataclass(frozen=True, slots=True)
class Garbage:
    """A blob that no commit names."""

    sha256: str
    size: int


def find_garbage(store: Store, *, older_than: float) -> list[Garbage]:
    """Return the blobs that no commit of any repository names, and that came longer ago than so many seconds.

    Every commit that is on the disk counts, not only what branches and tags lead to: each of them can be
    asked for. The store must be held, so that no commit is under way.

    Raises:
        Refusal: A commit cannot be read; then nothing is known to be garbage.
    """
    named: set[str] = set()
    for kind in KINDS:
        for repository in store.repositories(kind):
            for sha256 in repository.history.named_blobs():
                named.add(sha256)
    latest = time.time() - older_than
    return [
        Garbage(sha256, size)
        for sha256, size, changed in store.blobs.stored()
        if sha256 not in named and changed <= latest
    ]


def remove_garbage(store: Store, found: list[Garbage]) -> None:
    """Remove blobs that `find_garbage` found."""
    folders = set()
    for blob in found:
        path = store.blobs.path(blob.sha256)
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        sync(folder)
