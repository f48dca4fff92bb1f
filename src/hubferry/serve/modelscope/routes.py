"""How the routes of the ModelScope dialect name a repository: always with its owner."""

from __future__ import annotations

from zlib import crc32

REPO = "{kind:models|datasets}/{repo:[^/]+/[^/]+}"
NUMBERED = "datasets/{number:[0-9]{1,10}}"
"""A dataset by the number that it was described with, as `MsDataset` names it (modelscope_hub.compat)."""


def number_of(repo_id: str) -> int:
    """Return the number that a repository is described with."""
    return crc32(repo_id.encode())
