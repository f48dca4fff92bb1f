"""Which names of a state are commits. No I/O.

Hugging Face names the head of a branch. ModelScope and a folder name none: there hubferry calls what was
listed by a digest of the listing (`hubferry.model.Revision.commit`), which nobody else knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.model import HubName

_LETTERS = 12


def commit_of(hub: HubName, name: str | None) -> str | None:
    """Return the commit that a state is, None where its hub names no commits."""
    return name or None if hub == "hf" else None


def listing_digest_of(hub: HubName, name: str | None) -> str | None:
    """Return the digest of the listing that a state is known by, None where it is a commit."""
    return None if hub == "hf" else name or None


def short(commit: str) -> str:
    """Return as much of a commit as people read."""
    return commit[:_LETTERS]
