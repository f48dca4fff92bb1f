"""All files of a commit in one file, now and then: a tree is not made of the whole history each time.

    <repository>/trees/<commit>       a sha256 in hex, a line feed, then the files

They are only an aid: a missing or broken one is as if it had never been written, and a store without any
is whole.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

import msgspec

from hubferry.serve.disk import make_folder, write_atomically
from hubferry.serve.records import FileRecord
from hubferry.serve.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_DIGEST_LINE = 65

Row = tuple[str, str, int, str, bool, str | None, int]
"""Path, sha256, size, git id, whether it is a blob, Xet hash, and which of the commits changed it last."""


class _Snapshot(msgspec.Struct, frozen=True):
    """A tree on the disk; commits are named once, since thousands of files have the same."""

    commits: list[str]
    rows: list[Row]


class Checkpoints:
    """The trees of one repository that were written down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] | None = None

    def has(self, commit: str) -> bool:
        """Return whether a commit's tree was written down."""
        if self._names is None:
            self._names = {path.name for path in self._folder.glob("?" * 40)}
        return commit in self._names

    def read(self, commit: str) -> Tree | None:
        """Return a commit's tree, None where nothing that can be believed is there."""
        if not self.has(commit):
            return None
        try:
            content = (self._folder / commit).read_bytes()
            return _decoded(content)
        except (OSError, ValueError, IndexError) as error:  # msgspec's errors are ValueErrors, too
            _LOGGER.warning("the tree of %s that was written down is left aside: %s", commit, error)
            self._known().discard(commit)
            return None

    def write(self, commit: str, tree: Tree) -> None:
        """Write a commit's tree down; where that cannot be, leave it."""
        numbers: dict[str, int] = {}
        rows: list[Row] = [
            (
                path, file.sha256, file.size, file.git_sha1, file.lfs, file.xet_hash,
                numbers.setdefault(file.commit, len(numbers)),
            )
            for path, file in tree.files.items()
        ]  # fmt: skip
        body = msgspec.msgpack.encode(_Snapshot(list(numbers), rows))
        try:
            make_folder(self._folder)
            write_atomically(self._folder / commit, _digest_line(body) + body)
        except OSError as error:
            _LOGGER.warning("the tree of %s cannot be written down: %s", commit, error)
            return
        self._known().add(commit)

    def remove(self, commit: str) -> None:
        """Remove a commit's tree."""
        if self.has(commit):
            (self._folder / commit).unlink(missing_ok=True)
            self._known().discard(commit)

    def _known(self) -> set[str]:
        self._names = self._names or set()
        return self._names


def _digest_line(body: bytes | memoryview) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n"


def _decoded(content: bytes) -> Tree:
    body = memoryview(content)[_DIGEST_LINE:]
    if content[:_DIGEST_LINE] != _digest_line(body):
        raise ValueError("another content than was written")
    snapshot = msgspec.msgpack.decode(body, type=_Snapshot)
    return Tree({row[0]: _file(row, snapshot.commits) for row in snapshot.rows})


def _file(row: Row, commits: list[str]) -> FileRecord:
    return FileRecord(row[1], row[2], row[3], row[4], row[5], commits[row[6]])
