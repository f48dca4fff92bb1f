"""One model's files, with what is known about each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from hubferry.cache import inventory, manifest
from hubferry.cache.disk import disk_errors
from hubferry.cache.names import RECORDS

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from hubferry.cache.manifest import Entry


class Standing(str, Enum):
    """What is known about a file."""

    VERIFIED = "verified"
    """It was hashed, and is untouched since."""
    CHANGED = "changed"
    """It was hashed, and something has happened to it since."""
    UNKNOWN = "unknown"
    """Nobody hashed it."""
    STALE = "stale"
    """It was hashed, and is of another commit."""
    FOREIGN = "foreign"
    """It is not of the commit: somebody put it there."""
    MISSING = "missing"
    """It belongs here, and is not."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file; digests are those that were verified, None where none were."""

    path: str
    size: int
    standing: Standing
    sha256: str | None = None
    git_sha1: str | None = None
    links: int = 1


def contents(directory: Path) -> list[StoredFile]:
    """Return the files of a model, those that are missing included, by path.

    Raises:
        DiskError: The directory must not or cannot be read.
    """
    with disk_errors(directory):
        known = manifest.load(directory / RECORDS)
        found = inventory.take(directory).files
    entries = {} if known is None else known.files
    expected = {path for path, entry in entries.items() if entry.listed and (entry.here or entry.wanted)}
    unknown = Standing.UNKNOWN
    if known is not None and (known.is_whole or known.listing != "none"):
        unknown = Standing.FOREIGN
    stale = set() if known is None else set(known.stale)
    files = [
        _stored(path, entries.get(path), found.get(path), unknown) for path in sorted(found.keys() | expected)
    ]
    return [
        replace(file, standing=Standing.STALE)
        if file.path in stale and file.standing is Standing.VERIFIED
        else file
        for file in files
    ]


def _stored(path: str, entry: Entry | None, status: os.stat_result | None, unknown: Standing) -> StoredFile:
    if entry is None or (status is not None and not entry.here and not entry.wanted):
        size, links = (0, 0) if status is None else (status.st_size, status.st_nlink)
        return StoredFile(path, size, unknown, links=links)
    sha256 = entry.sha256 or None
    if status is None:
        return StoredFile(path, entry.size, Standing.MISSING, sha256, entry.git_sha1, links=0)
    untouched = entry.signature is not None and entry.signature.is_of(status)
    standing = Standing.VERIFIED if untouched else Standing.CHANGED
    return StoredFile(path, status.st_size, standing, sha256, entry.git_sha1, status.st_nlink)
