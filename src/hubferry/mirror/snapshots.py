"""What is known of a commit: its files and the hub's own record. Values; `memory` keeps them on disk."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.model import LARGEST_IN_GIT, HubName, RepoFile, RepoRef, RepoType, Revision
from hubferry.serve.git import object_id, pointer
from hubferry.serve.records import FileRecord
from hubferry.serve.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.model import Digests

_COMMIT = re.compile(r"[0-9a-f]{40}")
_COMMIT_LENGTH = 40
_UNKNOWN = "0" * 40


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """One file of a commit; see `RepoFile`."""

    path: str
    size: int | None
    sha256: str | None = None
    git_sha1: str | None = None
    lfs: bool = False
    revision: str | None = None

    @property
    def file(self) -> RepoFile:
        """The file as adapters know it."""
        return RepoFile(self.path, self.size, self.sha256, self.git_sha1, self.lfs, None, self.revision)


class Snapshot(msgspec.Struct, frozen=True):
    """One commit of a repository as its hub described it.

    Attributes:
        hub: With `repo_type` and `repo_id`, whose it is.
        commit: As the adapter names it; of ModelScope a digest of the listing.
        revision: The name by which it was asked for; None is the default branch.
        files: All of its files, sorted by path.
        record: What the hub says of the repository besides.
    """

    hub: HubName
    repo_type: RepoType
    repo_id: str
    commit: str
    revision: str | None
    files: tuple[Listed, ...]
    record: dict[str, Any] = {}
    private: bool = False
    gated: bool = False
    license: str | None = None

    def ref(self, endpoint: str | None = None) -> RepoRef:
        """Return the repository, at the revision that was asked for."""
        return RepoRef(self.hub, self.repo_id, self.revision, self.repo_type, endpoint or None)

    def pinned(self, endpoint: str | None = None) -> Revision:
        """Return the revision that adapters read by."""
        return Revision(self.ref(endpoint), self.commit, self.private, self.gated, self.license)


def make(revision: Revision, files: list[RepoFile], record: Mapping[str, Any]) -> Snapshot:
    """Make a snapshot of what an adapter found."""
    ref = revision.ref
    listed = tuple(Listed(f.path, f.size, f.sha256, f.git_sha1, f.lfs, f.revision) for f in files)
    return Snapshot(
        ref.hub, ref.repo_type, ref.repo_id, revision.commit, ref.revision, listed, dict(record),
        revision.private, revision.gated, revision.license,
    )  # fmt: skip


def shown_commit(commit: str) -> str:
    """Return a commit in forty digits, which is what clients of Hugging Face take for one."""
    return commit if _COMMIT.fullmatch(commit) else commit[:_COMMIT_LENGTH].ljust(_COMMIT_LENGTH, "0")


class View:
    """A snapshot with what listings ask of it, computed once."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Look at `snapshot`."""
        self.snapshot = snapshot

    @cached_property
    def files(self) -> dict[str, Listed]:
        """Every file by its path."""
        return {file.path: file for file in self.snapshot.files}

    @cached_property
    def listing(self) -> list[RepoFile]:
        """Every file as adapters know it."""
        return [file.file for file in self.snapshot.files]

    @property
    def commit(self) -> str:
        """The commit in forty digits."""
        return shown_commit(self.snapshot.commit)

    @cached_property
    def tree(self) -> Tree:
        """The tree with git's ids, as far as they are known."""
        return Tree({file.path: _record(file) for file in self.snapshot.files})

    def prepare(self) -> View:
        """Compute what listings ask for; of many thousands of files that is not for the event loop."""
        _computed = self.files, self.listing
        self.tree.prepare()
        return self

    @cached_property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size or 0 for file in self.snapshot.files)

    def lacking(self, *, git: bool) -> list[Listed]:
        """Return the files whose git id (else whose sha256) nobody has told, and a listing has to name."""
        if git:
            return [file for file in self.snapshot.files if not is_blob(file) and not file.git_sha1]
        return [file for file in self.snapshot.files if not file.sha256]

    def with_digests(self, known: Mapping[str, Digests]) -> View:
        """Return a view that has these digests as well, by path."""
        files = tuple(
            msgspec.structs.replace(
                file,
                sha256=file.sha256 or known[file.path].sha256,
                git_sha1=file.git_sha1 or known[file.path].git_sha1,
            )
            if file.path in known
            else file
            for file in self.snapshot.files
        )
        return View(msgspec.structs.replace(self.snapshot, files=files))


def is_blob(file: Listed) -> bool:
    """Return whether a file is kept outside of git, so that its sha256 is its name."""
    return file.lfs or (file.size or 0) > LARGEST_IN_GIT


def _record(file: Listed) -> FileRecord:
    size, sha256 = file.size or 0, file.sha256 or ""
    if is_blob(file):
        return FileRecord(sha256, size, object_id("blob", pointer(sha256, size)), lfs=True)
    return FileRecord(sha256, size, file.git_sha1 or _UNKNOWN)
