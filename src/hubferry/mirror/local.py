"""What the cache has of a repository that no hub was asked about, as a commit that can be served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cache.names import named_revision
from hubferry.mirror.snapshots import Listed, Snapshot, View, shown_commit
from hubferry.model import BLOB_SUFFIXES

if TYPE_CHECKING:
    from hubferry.cache.manifest import Manifest
    from hubferry.mirror.index import Index
    from hubferry.model import RepoRef

_IN_GIT = 10 * 1024 * 1024
"""Bytes above which Hugging Face keeps a file outside of git."""


def from_cache(index: Index, ref: RepoRef) -> View | None:
    """Return the commit that the cache has under a name, or by its own."""
    asked = ref.revision
    for known in index.of_repository(ref):
        if known.commit is None:
            continue
        if known.revision == named_revision(ref) or asked in (known.commit, shown_commit(known.commit)):
            return View(_snapshot(known, known.commit))
    return None


def _snapshot(known: Manifest, commit: str) -> Snapshot:
    files = tuple(
        Listed(
            path, entry.size, entry.sha256 or None, entry.git_sha1, _is_blob(path, entry.size, entry.git_sha1)
        )
        for path, entry in sorted(known.files.items())
        if entry.listed
    )
    return Snapshot(known.hub, known.repo_type, known.repo_id, commit, known.revision, files)


def _is_blob(path: str, size: int, git_sha1: str | None) -> bool:
    name = path.rpartition("/")[2].lower()
    dot = name.rfind(".")
    return git_sha1 is None or size > _IN_GIT or (dot > 0 and name[dot:] in BLOB_SUFFIXES)
