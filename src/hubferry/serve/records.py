"""What the store remembers about repositories, commits and files: values that go to disk as JSON."""

from __future__ import annotations

import msgspec


class FileRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a tree.

    Attributes:
        sha256: Hex digest of the content, which is also the blob's name.
        size: Bytes of the content.
        git_sha1: Hex git blob id: of the content, or of the pointer file when `lfs`.
        lfs: Whether git holds a pointer instead of the content.
        xet_hash: Merkle hash, when the content came through the chunked storage.
        commit: The commit that last changed this path.
    """

    sha256: str
    size: int
    git_sha1: str
    lfs: bool = False
    xet_hash: str | None = None
    commit: str = ""


class CommitHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one commit says of itself.

    Attributes:
        id: 40 hex digits.
        parent: The commit before it, None for a repository's first.
        time: Seconds since the epoch.
    """

    id: str
    parent: str | None
    time: float
    title: str
    description: str
    author: str


class CommitRecord(CommitHead, frozen=True, omit_defaults=True):
    """One commit as it is written: what it changes against its parent.

    Attributes:
        changes: Path to the new file, or to None where the path is deleted.
    """

    changes: dict[str, FileRecord | None]

    @property
    def head(self) -> CommitHead:
        """What it says of itself, without what it changes."""
        return CommitHead(self.id, self.parent, self.time, self.title, self.description, self.author)


class RepositoryRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One repository and where its branches and tags point.

    Attributes:
        annotated: The own ids of annotated tags, by name.
        pulls: Where the pull requests are, by number.
        former: Names that it had before.
    """

    repo_id: str
    kind: str
    created: float
    changed: float
    private: bool = False
    gated: str | None = None
    license: str | None = None
    description: str = ""
    granted: tuple[str, ...] = ()
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    annotated: dict[str, str] = {}
    pulls: dict[str, str] = {}
    former: tuple[str, ...] = ()


class Put(msgspec.Struct, frozen=True):
    """Set a path to a stored blob; `git_sha1` (of the content) spares reading a small file again."""

    path: str
    sha256: str
    lfs: bool
    git_sha1: str | None = None
    size: int | None = None
    xet_hash: str | None = None


class Delete(msgspec.Struct, frozen=True):
    """Remove a path, or everything below it when `folder`."""

    path: str
    folder: bool = False


Change = Put | Delete
