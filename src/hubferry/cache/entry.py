"""What is known of one file of a model's directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from hubferry.model import Digests, RepoFile

if TYPE_CHECKING:
    import os


_Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A length that a file can have."""


class Signature(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Tell cheaply whether a file is still the one that was hashed."""

    size: _Bytes
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Take the signature of a file that was just described."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    def is_of(self, status: os.stat_result) -> bool:
        """Return whether a file that was just described has this signature."""
        return (self.size, self.mtime_ns, self.inode) == (status.st_size, status.st_mtime_ns, status.st_ino)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file.

    Attributes:
        size: Bytes.
        sha256: Hex digest of the content that was verified, or listed; empty where only git's is listed yet.
        git_sha1: Git's blob id where it was needed.
        signature: What the file looked like when it was verified; None when it is not here, or in doubt.
        listed: Whether `Manifest.commit` has this very file.
        wanted: Whether it was asked for, once it is listed: a selection leaves the others out.
        wrong: What a file in its place looked like that was read, and is something else.
    """

    size: _Bytes
    sha256: str
    git_sha1: str | None = None
    signature: Signature | None = None
    listed: bool = False
    wanted: bool = True
    wrong: Signature | None = None

    def file(self, path: str) -> RepoFile:
        """Return the file that has this content."""
        return RepoFile(path, self.size, self.sha256 or None, self.git_sha1)

    def is_wrong(self, file: RepoFile, signature: Signature) -> bool:
        """Return whether what looks so was read, and is not `file`."""
        return self.wrong == signature and self.digests.fit(file)

    @property
    def here(self) -> bool:
        """Whether the content was verified here, and not doubted since."""
        return self.signature is not None

    @property
    def lacking(self) -> bool:
        """Whether the commit has it, it was asked for, and it is not here."""
        return self.listed and self.wanted and self.signature is None

    @property
    def digests(self) -> Digests:
        """The verified content's digests."""
        return Digests(self.size, self.sha256, self.git_sha1)


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where this model was proven to be published, and when (seconds since 1970)."""

    destination: str
    commit: str
    at: float
