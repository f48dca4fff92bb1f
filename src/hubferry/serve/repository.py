"""One repository: its branches, tags and commits, and the tree that each commit makes."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from hubferry.serve.blobs import Blobs
from hubferry.serve.disk import write_atomically
from hubferry.serve.git import object_id, pointer
from hubferry.serve.records import Change, CommitRecord, Delete, FileRecord, Put, RepositoryRecord, Tree
from hubferry.serve.refusal import Reason, Refusal

DEFAULT_BRANCH = "main"
_ALIASES = {"main", "master"}
_TREES_KEPT = 8
_MAX_REFERENCE = 200


class Repository:
    """Read and change one repository. Every change is on disk when the method returns."""

    def __init__(self, folder: Path, blobs: Blobs, record: RepositoryRecord) -> None:
        self.folder = folder
        self.record = record
        self._blobs = blobs
        self._lock = threading.RLock()
        self._commits: dict[str, CommitRecord] = {}
        self._trees: OrderedDict[str, Tree] = OrderedDict()

    @classmethod
    def open(cls, folder: Path, blobs: Blobs) -> Repository:
        """Read a repository from its folder."""
        content = (folder / "repository.json").read_bytes()
        return cls(folder, blobs, msgspec.json.decode(content, type=RepositoryRecord))

    @classmethod
    def make(cls, folder: Path, blobs: Blobs, record: RepositoryRecord) -> Repository:
        """Write a new repository with one empty commit, as Hugging Face has it."""
        if folder.exists():
            shutil.rmtree(folder)  # left by a crash before its repository.json was written
        (folder / "commits").mkdir(parents=True)
        repository = cls(folder, blobs, record)
        first = repository._write_commit(None, {}, "initial commit", "", "system")
        repository.change(branches={DEFAULT_BRANCH: first.id})
        return repository

    def change(self, **fields: object) -> None:
        """Set fields of the record and write it."""
        with self._lock:
            record = msgspec.structs.replace(self.record, changed=time.time(), **fields)
            write_atomically(self.folder / "repository.json", msgspec.json.encode(record))
            self.record = record

    def branch_name(self, name: str) -> str:
        """Return the name a branch is kept under: `main` and `master` are one."""
        return DEFAULT_BRANCH if name in _ALIASES else name

    def resolve(self, revision: str | None) -> str:
        """Turn a branch, tag or commit (in full, or at least 7 digits of it) into a commit.

        Raises:
            Refusal: There is no such revision.
        """
        name = (
            self.branch_name(revision or DEFAULT_BRANCH)
            .removeprefix("refs/heads/")
            .removeprefix("refs/tags/")
        )
        found = self.record.branches.get(self.branch_name(name)) or self.record.tags.get(name)
        if found is None and _is_hex(name):
            found = self._find_commit(name)
        if found is None:
            raise Refusal(Reason.REVISION_MISSING, f"Invalid rev id: {name[:_MAX_REFERENCE]}", about=name)
        return found

    def commit_record(self, commit: str) -> CommitRecord:
        """Return a commit by its full id."""
        found = self._commits.get(commit)
        if found is None:
            content = (self.folder / "commits" / f"{commit}.json").read_bytes()
            found = self._commits[commit] = msgspec.json.decode(content, type=CommitRecord)
        return found

    def history(self, commit: str) -> Iterator[CommitRecord]:
        """Yield a commit and those before it, newest first."""
        current: str | None = commit
        while current is not None:
            record = self.commit_record(current)
            yield record
            current = record.parent

    def tree(self, commit: str) -> Tree:
        """Return all files of a commit, by path. Do not change it: it is shared."""
        with self._lock:
            return self._tree(commit)

    def file(self, commit: str, path: str) -> FileRecord:
        """Return one file of a commit.

        Raises:
            Refusal: There is no such file.
        """
        tree = self._trees.get(commit)
        found = (self.tree(commit) if tree is None else tree).get(path)
        if found is None:
            raise Refusal(Reason.ENTRY_MISSING, "Entry not found", about=path)
        return found

    def commit(  # noqa: PLR0913  # the parts of a commit
        self,
        branch: str,
        changes: Sequence[Change],
        *,
        title: str,
        description: str = "",
        author: str = "local",
        expected_parent: str | None = None,
    ) -> CommitRecord:
        """Make one commit on a branch.

        Raises:
            Refusal: No such branch, it moved away from `expected_parent`, a blob that was never uploaded, or
                a path to delete that is not there.
        """
        with self._lock:
            name = self.branch_name(branch)
            parent = self.record.branches.get(name)
            if parent is None:
                raise Refusal(
                    Reason.REVISION_MISSING, f"Invalid branch: {branch[:_MAX_REFERENCE]}", about=branch
                )
            if expected_parent is not None and expected_parent != parent:
                raise Refusal(Reason.OUTDATED, f"A commit has happened since: {branch} is at {parent}")
            applied = self._apply(self._tree(parent), changes)
            record = self._write_commit(parent, applied, title, description, author)
            self.change(branches={**self.record.branches, name: record.id})
            return record

    def add_branch(self, name: str, commit: str) -> None:
        """Create a branch at a commit."""
        self._add_reference("branches", self.branch_name(name), commit)

    def add_tag(self, name: str, commit: str) -> None:
        """Create a tag at a commit."""
        self._add_reference("tags", name, commit)

    def remove_reference(self, kind: str, name: str) -> None:
        """Remove a branch (`branches`) or tag (`tags`)."""
        with self._lock:
            name = self.branch_name(name) if kind == "branches" else name
            references = dict(getattr(self.record, kind))
            if name not in references:
                raise Refusal(
                    Reason.REVISION_MISSING, f"No such reference: {name[:_MAX_REFERENCE]}", about=name
                )
            if kind == "branches" and name == DEFAULT_BRANCH:
                raise Refusal(Reason.FORBIDDEN, "The default branch cannot be deleted")
            del references[name]
            self.change(**{kind: references})

    def _add_reference(self, kind: str, name: str, commit: str) -> None:
        if not name or len(name) > _MAX_REFERENCE or any(ord(c) <= ord(" ") or c in "~^:?*[\\" for c in name):
            raise Refusal(Reason.INVALID, "Invalid reference name")
        with self._lock:
            references = getattr(self.record, kind)
            if name in references:
                raise Refusal(Reason.REFERENCE_EXISTS, f"Reference already exists: {name}", about=name)
            self.change(**{kind: {**references, name: commit}})

    def _find_commit(self, name: str) -> str | None:
        if name in self._commits or (self.folder / "commits" / f"{name}.json").exists():
            return name
        found = list((self.folder / "commits").glob(f"{name}*.json"))
        return found[0].stem if len(found) == 1 else None

    def _tree(self, commit: str) -> Tree:
        pending: list[CommitRecord] = []
        current: str | None = commit
        while current is not None and current not in self._trees:
            record = self.commit_record(current)
            pending.append(record)
            current = record.parent
        if not pending:
            self._trees.move_to_end(commit)
            return self._trees[commit]
        tree = dict(self._trees[current]) if current is not None else {}
        for record in reversed(pending):
            for path, file in record.changes.items():
                if file is None:
                    tree.pop(path, None)
                else:
                    tree[path] = msgspec.structs.replace(file, commit=record.id)
        self._trees[commit] = tree
        while len(self._trees) > _TREES_KEPT:
            self._trees.popitem(last=False)
        return tree

    def _apply(self, tree: Tree, changes: Sequence[Change]) -> dict[str, FileRecord | None]:
        applied: dict[str, FileRecord | None] = {}
        for change in changes:
            if isinstance(change, Put):
                applied[change.path] = self._file(change)
            else:
                applied.update(dict.fromkeys(_deleted(tree, change)))
        return applied

    def _file(self, put: Put) -> FileRecord:
        size = self._blobs.size(put.sha256)
        if size is None or (put.size is not None and put.size != size):
            raise Refusal(
                Reason.BLOB_MISSING,
                f"{put.path}: no blob {put.sha256} of that size was uploaded",
                about=put.path,
            )
        if put.lfs:
            git_sha1 = object_id("blob", pointer(put.sha256, size))
        else:
            git_sha1 = put.git_sha1 or object_id("blob", self._blobs.read(put.sha256))
        return FileRecord(put.sha256, size, git_sha1, put.lfs)

    def _write_commit(
        self,
        parent: str | None,
        changes: dict[str, FileRecord | None],
        title: str,
        description: str,
        author: str,
    ) -> CommitRecord:
        for file in changes.values():
            if file is not None:
                self._blobs.sync(file.sha256)
        record = CommitRecord("", parent, time.time(), title, description, author, changes)
        content = msgspec.json.encode(record) + secrets.token_bytes(8)
        name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        record = msgspec.structs.replace(record, id=name)
        write_atomically(self.folder / "commits" / f"{name}.json", msgspec.json.encode(record))
        self._commits[name] = record
        return record


def _deleted(tree: Tree, change: Delete) -> list[str]:
    prefix = change.path.rstrip("/") + "/"
    if change.folder:
        paths = [path for path in tree if path.startswith(prefix)]
    else:
        paths = [change.path] if change.path in tree else []
    if not paths:
        raise Refusal(Reason.ENTRY_MISSING, f"{change.path} does not exist", about=change.path)
    return paths


def _is_hex(name: str) -> bool:
    return 7 <= len(name) <= 40 and not set(name) - set("0123456789abcdef")  # noqa: PLR2004  # git's own bounds
