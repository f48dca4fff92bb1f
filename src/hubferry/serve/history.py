"""A repository's commits on disk, and the tree that each of them makes.

A commit is written as what it changes. Its tree is made of the nearest one before it that is kept or was
written down; how far that is away is bounded, so that the time to make one is, too.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hubferry.serve.checkpoints import Checkpoints
from hubferry.serve.disk import write_atomically
from hubferry.serve.recent import Recent
from hubferry.serve.records import CommitHead, CommitRecord
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.tree import Tree, apply_changes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ID = re.compile(r"[0-9a-f]{40}")
SHORTEST_ID, _WHOLE_ID = 7, 40  # git itself takes from 4 digits on; shorter ones are usually words
_FILES_KEPT = 300_000
"""Files of all trees in memory together, near 150 MB."""
_HEADS_KEPT = 16 << 20
"""Bytes of the texts of commits in memory."""
_HEAD_BYTES = 600
"""What a commit without its texts takes."""
_FEW_COMMITS, _FEW_CHANGES = 256, 4_096
"""As far as this from the last tree that was written down none is written."""
_FILES_FOR_A_COMMIT = 200
"""Files that are read from a written tree in the time that reading one commit takes."""

Shape = TypeVar("Shape", CommitHead, CommitRecord)


@dataclass(frozen=True, slots=True)
class Built:
    """A tree, and how far it is from the last one that was written down, in commits and in changed files."""

    tree: Tree
    commits: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What all repositories of a store keep in memory of their histories."""

    trees: Recent[tuple[str, str], Built] = field(default_factory=lambda: Recent(_FILES_KEPT))
    heads: Recent[tuple[str, str], CommitHead] = field(default_factory=lambda: Recent(_HEADS_KEPT))


class History:
    """Read and append commits; one is never changed."""

    def __init__(self, folder: Path, kept: Kept | None = None) -> None:
        self._folder = folder
        self._place = secrets.token_hex(8)  # not the folder: another repository may get that after this one
        self._kept = kept or Kept()
        self._checkpoints = Checkpoints(folder.with_name("trees"))
        self._lock = threading.Lock()
        self._moving = threading.RLock()

    @contextmanager
    def moving(self, folder: Path) -> Iterator[None]:
        """Keep readers waiting while the folder of the commits gets this name in the block."""
        with self._moving:
            yield
            self._folder = folder
            self._checkpoints = Checkpoints(folder.with_name("trees"))

    def commit(self, name: str) -> CommitHead:
        """Return what a commit says, by its full id.

        Raises:
            Refusal: Its record is not there, or broken.
        """
        found = self._kept.heads.get((self._place, name))
        if found is None:
            found = self._read(name, CommitHead)
            self._keep(found)
        return found

    def changes(self, name: str) -> CommitRecord:
        """Return a commit with what it changes against its parent. Blocks; call it off the event loop.

        Raises:
            Refusal: Its record is not there, or broken.
        """
        return self._read(name, CommitRecord)

    def walk(self, name: str) -> Iterator[CommitHead]:
        """Yield a commit and those before it, newest first.

        Raises:
            Refusal: A record is not there, or broken, or names as the one before it one that came after.
        """
        current: str | None = name
        passed: set[str] = set()
        while current is not None:
            if current in passed:
                raise _broken(current)
            passed.add(current)
            head = self.commit(current)
            yield head
            current = head.parent

    def find(self, name: str) -> str | None:
        """Return the full id of a commit named by its first digits, None where that names none or several."""
        if not SHORTEST_ID <= len(name) <= _WHOLE_ID or set(name) - set("0123456789abcdef"):
            return None
        with self._moving:
            if self._kept.heads.get((self._place, name)) or (self._folder / f"{name}.json").exists():
                return name
            found = list(self._folder.glob(f"{name}*.json"))
        return found[0].stem if len(found) == 1 else None

    def named_blobs(self) -> Iterator[str]:
        """Yield the sha256 of every file of every commit that is on the disk, some of them again and again.

        Raises:
            Refusal: A record is broken.
        """
        for path in self._folder.glob("*.json"):
            for file in self._read(path.stem, CommitRecord).changes.values():
                if file is not None:
                    yield file.sha256

    def append(self, record: CommitRecord) -> CommitRecord:
        """Write a commit, which gets its id here."""
        content = msgspec.json.encode(record) + secrets.token_bytes(8)  # two alike are still two commits
        name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        record = msgspec.structs.replace(record, id=name)
        write_atomically(self._folder / f"{name}.json", msgspec.json.encode(record))
        self._keep(record.head)
        return record

    def without_blobs(self, name: str, gone: frozenset[str], done: dict[str, str]) -> str:
        """Write the commits up to one anew without the files of some blobs; return what it is called then.

        `done` gets the new name of each commit that had to be written anew.
        """
        new: str | None = None
        for head in reversed(list(self.walk(name))):
            if head.id in done:
                new = done[head.id]
                continue
            record = self._read(head.id, CommitRecord)
            changes = {
                path: None if file is not None and file.sha256 in gone else file
                for path, file in record.changes.items()
            }
            if changes == record.changes and new == record.parent:
                new = head.id
                continue
            new = self.append(msgspec.structs.replace(record, id="", parent=new, changes=changes)).id
            done[head.id] = new
        return new or name

    def remove(self, name: str) -> None:
        """Remove a commit to which nothing leads any more."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)
        self._checkpoints.remove(name)
        self._kept.heads.drop((self._place, name))
        self._kept.trees.drop((self._place, name))

    def kept_tree(self, name: str) -> Tree | None:
        """Return all files of a commit if they are in memory, else None; takes no time."""
        found = self._kept.trees.get((self._place, name))
        return found.tree if found is not None else None

    def tree(self, name: str) -> Tree:
        """Return all files of a commit. Blocks; call it off the event loop."""
        found = self._kept.trees.get((self._place, name))
        if found is None:
            with self._lock:
                found = self._kept.trees.get((self._place, name)) or self._build(name)
        return found.tree

    def _build(self, name: str) -> Built:
        base, pending = self._nearest(name)
        files, commits, changes = dict(base.tree.files), base.commits, base.changes
        for commit in reversed(pending):
            record = self._read(commit, CommitRecord)
            apply_changes(
                files, record.changes, commit
            )  # to one dictionary: a copy for each would be quadratic
            commits, changes = commits + 1, changes + len(record.changes)
            if _is_far(len(files), commits, changes):
                self._checkpoints.write(commit, Tree(files))
                commits = changes = 0
        built = Built(Tree(files), commits, changes)
        self._kept.trees.put((self._place, name), built, len(files) + 1)
        return built

    def _nearest(self, name: str) -> tuple[Built, list[str]]:
        """Return a tree that is there already, and the commits from it to `name`, newest first."""
        pending: list[str] = []
        for head in self.walk(name):
            kept = self._kept.trees.get((self._place, head.id))
            written = self._checkpoints.read(head.id) if kept is None else None
            if kept is not None or written is not None:
                return kept or Built(written or Tree({})), pending
            pending.append(head.id)
        return Built(Tree({})), pending

    def _read(self, name: str, shape: type[Shape]) -> Shape:
        try:
            content = self._content(name) if _ID.fullmatch(name) else b""
            found = msgspec.json.decode(content, type=shape)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _broken(name) from error
        if found.id != name:
            raise _broken(name)
        return found

    def _content(self, name: str) -> bytes:
        with suppress(FileNotFoundError):
            return (self._folder / f"{name}.json").read_bytes()
        with self._moving:  # it may just have got another folder
            return (self._folder / f"{name}.json").read_bytes()

    def _keep(self, head: CommitHead) -> None:
        texts = len(head.title) + len(head.description) + len(head.author)
        self._kept.heads.put((self._place, head.id), head, _HEAD_BYTES + texts)


def _is_far(files: int, commits: int, changes: int) -> bool:
    """Return whether a tree is worth writing down: the room that takes grows as the history's own does."""
    return commits > max(_FEW_COMMITS, files // _FILES_FOR_A_COMMIT) or changes > max(_FEW_CHANGES, files)


def _broken(name: str) -> Refusal:
    return Refusal(Reason.BROKEN, f"The hub's record of commit {name[:40]!r} is broken")
