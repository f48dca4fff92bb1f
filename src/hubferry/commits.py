"""Which names of a state are commits. No I/O.

Hugging Face names the head of a branch. ModelScope and a folder name none: there hubferry calls what was
listed by a digest of the listing (`hubferry.model.Revision.commit`), which nobody else knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.model import HubName

_LETTERS = 12
_COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(hub: HubName, name: str | None) -> str | None:
    """Return the commit that a state is, None where its hub names no commits."""
    return name or None if hub == "hf" else None


def listing_digest_of(hub: HubName, name: str | None) -> str | None:
    """Return the digest of the listing that a state is known by, None where it is a commit."""
    return None if hub == "hf" else name or None


def commit_or_none(mark: str) -> str | None:
    """Return what a hub says of a tag or branch, None where that is no commit."""
    return mark if _COMMIT.fullmatch(mark) else None


def short(commit: str) -> str:
    """Return as much of a commit as people read."""
    return commit[:_LETTERS]
