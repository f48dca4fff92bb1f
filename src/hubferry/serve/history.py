"""A repository's commits on disk, and the tree that each of them makes."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from hubferry.serve.disk import write_atomically
from hubferry.serve.records import CommitRecord
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ID = re.compile(r"[0-9a-f]{40}")
_TREES_KEPT = 8
SHORTEST_ID, _WHOLE_ID = 7, 40  # git itself takes from 4 digits on; shorter ones are usually words


class History:
    """Read and append commits; one is never changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._commits: dict[str, CommitRecord] = {}
        self._trees: OrderedDict[str, Tree] = OrderedDict()

    def commit(self, name: str) -> CommitRecord:
        """Return a commit by its full id.

        Raises:
            Refusal: Its record is not there, or broken.
        """
        found = self._commits.get(name)
        if found is None:
            try:
                content = (self._folder / f"{name}.json").read_bytes() if _ID.fullmatch(name) else b""
                found = self._commits[name] = msgspec.json.decode(content, type=CommitRecord)
            except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise _broken(name) from error
        return found

    def walk(self, name: str) -> Iterator[CommitRecord]:
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
            record = self.commit(current)
            yield record
            current = record.parent

    def find(self, name: str) -> str | None:
        """Return the full id of a commit named by its first digits, None where that names none or several."""
        if not SHORTEST_ID <= len(name) <= _WHOLE_ID or set(name) - set("0123456789abcdef"):
            return None
        if name in self._commits or (self._folder / f"{name}.json").exists():
            return name
        found = list(self._folder.glob(f"{name}*.json"))
        return found[0].stem if len(found) == 1 else None

    def append(self, record: CommitRecord) -> CommitRecord:
        """Write a commit, which gets its id here."""
        content = msgspec.json.encode(record) + secrets.token_bytes(8)  # two alike are still two commits
        name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        record = msgspec.structs.replace(record, id=name)
        write_atomically(self._folder / f"{name}.json", msgspec.json.encode(record))
        self._commits[name] = record
        return record

    def tree(self, name: str) -> Tree:
        """Return all files of a commit."""
        found = self._trees.get(name)
        if found is not None:
            return found
        with self._lock:
            return self._build(name)

    def _build(self, name: str) -> Tree:
        pending: list[CommitRecord] = []
        tree = self._trees.get(name)
        if tree is None:
            for record in self.walk(name):
                pending.append(record)
                tree = self._trees.get(record.parent or "")
                if tree is not None:
                    break
        tree = tree or Tree({})
        for record in reversed(pending):
            tree = tree.after(record.changes, record.id)
        self._trees[name] = tree
        while len(self._trees) > _TREES_KEPT:
            self._trees.popitem(last=False)
        return tree


def _broken(name: str) -> Refusal:
    return Refusal(Reason.BROKEN, f"The hub's record of commit {name[:40]!r} is broken")
