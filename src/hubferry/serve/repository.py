"""One repository: where its branches and tags point, and how a commit moves a branch."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from hubferry.serve.changing import changes_of, refuse_collisions
from hubferry.serve.discussions import Discussions
from hubferry.serve.disk import make_folder, sync, write_atomically
from hubferry.serve.draft import Draft
from hubferry.serve.git import object_id, pointer
from hubferry.serve.history import SHORTEST_ID, History
from hubferry.serve.records import CommitRecord, FileRecord, Put, RepositoryRecord
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.serve.blobs import Blobs
    from hubferry.serve.draft import Rule
    from hubferry.serve.history import Kept
    from hubferry.serve.records import Change
    from hubferry.serve.tree import Tree

DEFAULT_BRANCH = "main"
PULL = "refs/pr/"
"""What the names of pull requests begin with."""
_ALIASES = frozenset({"main", "master"})
_FOLDERS = {"branches": "heads", "tags": "tags"}
_LONGEST_REFERENCE = 200
_MOST_REFERENCES = 10_000


class Repository:
    """Read and change one repository. Every change is on disk when the method returns."""

    def __init__(
        self, folder: Path, blobs: Blobs, record: RepositoryRecord, kept: Kept | None = None
    ) -> None:
        self.folder = folder
        self.record = record
        self.history = History(folder / "commits", kept)
        self.discussions = Discussions(folder)
        self._blobs = blobs
        self.git_lock = threading.Lock()
        """Held while git's copy of it is changed."""
        self.merge_lock = threading.Lock()
        """Held while a pull request is merged."""
        self._lock = threading.RLock()
        self._gone = False

    @classmethod
    def open(cls, folder: Path, blobs: Blobs, kept: Kept | None = None) -> Repository:
        """Read a repository from its folder."""
        content = (folder / "repository.json").read_bytes()
        sync(folder)  # what an earlier process wrote last may be there without being on the disk
        return cls(folder, blobs, msgspec.json.decode(content, type=RepositoryRecord), kept)

    @classmethod
    def make(
        cls,
        folder: Path,
        blobs: Blobs,
        record: RepositoryRecord,
        initial: Sequence[Put] = (),
        kept: Kept | None = None,
        author: str = "system",
    ) -> Repository:
        """Write a new repository with one commit, as Hugging Face has it; empty without `initial` files."""
        _clear(folder)
        make_folder(folder / "commits")
        repository = cls(folder, blobs, record, kept)
        files: dict[str, FileRecord | None] = {put.path: repository._file(put) for put in initial}
        blobs.sync({put.sha256 for put in initial})
        first = CommitRecord("", None, record.created, "initial commit", "", author, files)
        repository.change(branches={DEFAULT_BRANCH: repository.history.append(first).id})
        return repository

    def move(self, folder: Path, repo_id: str) -> None:
        """Give the repository another name and folder; what is being read or committed goes on there.

        The record has the new name first; after a crash in between the folder gets it when the store is held.

        Raises:
            Refusal: Another repository has that folder.
            OSError: The folder cannot be renamed; the repository has its old name.
        """
        history, discussions = self.history.moving(folder / "commits"), self.discussions.moving(folder)
        with self.git_lock, self._lock, history, discussions:
            before = self.record
            if not (folder.exists() and folder.samefile(self.folder)):  # the same but for case, on some disks
                _clear(folder)
            former = tuple(dict.fromkeys((*before.former, before.repo_id)))
            self.change(repo_id=repo_id, former=tuple(name for name in former if name != repo_id))
            try:
                self.folder.rename(folder)
            except OSError:
                self.change(repo_id=before.repo_id, former=before.former)
                raise
            self.folder = folder
            sync(folder.parent)

    def copy(self, folder: Path, repo_id: str, kept: Kept | None = None, *, private: bool) -> Repository:
        """Make another repository with all commits of this one."""
        _clear(folder)
        make_folder(folder)
        with self._lock:
            shutil.copytree(self.folder / "commits", folder / "commits")
            record = msgspec.structs.replace(
                self.record, repo_id=repo_id, private=private, created=time.time(), pulls={}, former=()
            )
        for path in (folder / "commits").iterdir():
            sync(path)
        sync(folder / "commits")
        copy = Repository(folder, self._blobs, record, kept)
        copy.change()
        return copy

    def remove(self) -> None:
        """Remove everything: the record first, so that a crash leaves a repository or none, never a part."""
        with self._lock:
            self._gone = True
            (self.folder / "repository.json").unlink()
            sync(self.folder)
            shutil.rmtree(self.folder)

    def change(self, **fields: object) -> None:
        """Set fields of the record and write it."""
        with self._lock:
            self._require()
            record = msgspec.structs.replace(self.record, changed=time.time(), **fields)
            write_atomically(self.folder / "repository.json", msgspec.json.encode(record))
            self.record = record

    def _require(self) -> None:
        """Refuse a change that comes when the repository has just been removed."""
        if self._gone:
            repo_id = self.record.repo_id
            raise Refusal(Reason.REPOSITORY_MISSING, f"Repository not found: {repo_id}", about=repo_id)

    def resolve(self, revision: str | None) -> str:
        """Turn a branch, tag or commit (in full, or at least 7 digits of it) into a commit.

        Raises:
            Refusal: There is no such revision.
        """
        name = (revision or DEFAULT_BRANCH).removeprefix("refs/heads/").removeprefix("refs/tags/")
        record = self.record
        found = record.branches.get(branch_name(name)) or record.tags.get(name) or self.history.find(name)
        found = found or record.pulls.get(name.removeprefix(PULL) if name.startswith(PULL) else "")
        if found is None:
            shown = name[:_LONGEST_REFERENCE]
            raise Refusal(Reason.REVISION_MISSING, f"Invalid rev id: {shown}", about=shown)
        return found

    def tree(self, commit: str) -> Tree:
        """Return all files of a commit."""
        return self.history.tree(commit)

    def file(self, commit: str, path: str) -> FileRecord:
        """Return one file of a commit.

        Raises:
            Refusal: There is no such file.
        """
        return self.history.tree(commit).require(path)

    def commit(
        self,
        branch: str,
        changes: Sequence[Change],
        *,
        title: str,
        description: str = "",
        author: str = "local",
        expected_parent: str | None = None,
        strict: bool = True,
        rules: Sequence[Rule] = (),
    ) -> CommitRecord:
        """Make one commit on a branch; without `strict`, also one that git could not hold.

        `expected_parent` may be the first digits of a commit; `rules` look at the commit before it is made.

        Raises:
            Refusal: No such branch, it moved away from `expected_parent`, a blob that was never uploaded, or
                a path to delete that is not there.
        """
        files = {change.path: self._file(change) for change in changes if isinstance(change, Put)}
        self._blobs.sync({file.sha256 for file in files.values()})
        with self._lock:
            parent = self.head(branch)
            if expected_parent is not None and not _names(expected_parent, parent):
                raise Refusal(Reason.OUTDATED)
            tree = self.history.tree(parent)
            applied = changes_of(tree, changes, files)
            if strict:
                refuse_collisions(tree, applied)
            for rule in rules:
                rule(Draft(branch, tree, applied, self._blobs))
            record = CommitRecord("", parent, time.time(), title, description, author, applied)
            return self._move(branch, record)

    def apply(
        self,
        branch: str,
        changes: dict[str, FileRecord | None],
        *,
        title: str,
        author: str,
        expected_parent: str,
    ) -> CommitRecord:
        """Make one commit of files that are in this repository already.

        Raises:
            Refusal: No such branch, or it is not at `expected_parent` any more.
        """
        with self._lock:
            parent = self.head(branch)
            if parent != expected_parent:
                raise Refusal(Reason.OUTDATED)
            refuse_collisions(self.history.tree(parent), changes)
            return self._move(branch, CommitRecord("", parent, time.time(), title, "", author, dict(changes)))

    def squash(self, branch: str, *, title: str, author: str) -> CommitRecord:
        """Put one commit without a past in the place of all that led to where a branch is."""
        with self._lock:
            tree = self.history.tree(self.head(branch))
            files: dict[str, FileRecord | None] = dict(tree.files)
            return self._move(branch, CommitRecord("", None, time.time(), title, "", author, files))

    def forget_blobs(self, gone: frozenset[str]) -> None:
        """Take files out of all that branches, tags and pull requests lead to, as if they had never been."""
        with self._lock:
            done: dict[str, str] = {}
            moved = {
                kind: {
                    name: self.history.without_blobs(commit, gone, done)
                    for name, commit in getattr(self.record, kind).items()
                }
                for kind in ("branches", "tags", "pulls")
            }
            self.change(**moved)
            for name in done:
                self.history.remove(name)
        with self.git_lock:
            shutil.rmtree(self.folder / "git", ignore_errors=True)

    def head(self, branch: str) -> str:
        """Return where a branch or a pull request is.

        Raises:
            Refusal: There is none of that name.
        """
        references, name = self._reference(branch)
        found: str | None = getattr(self.record, references).get(name)
        if found is None:
            shown = branch[:_LONGEST_REFERENCE]
            raise Refusal(Reason.REVISION_MISSING, f"Invalid branch: {shown}", about=shown)
        return found

    @staticmethod
    def _reference(branch: str) -> tuple[str, str]:
        if branch.startswith(PULL):
            return "pulls", branch.removeprefix(PULL)
        return "branches", branch_name(branch.removeprefix("refs/heads/"))

    def _move(self, branch: str, record: CommitRecord) -> CommitRecord:
        """Write a commit, and lead a branch or a pull request to it."""
        self._require()
        references, name = self._reference(branch)
        record = self.history.append(record)
        self.change(**{references: {**getattr(self.record, references), name: record.id}})
        return record

    def add_branch(self, name: str, commit: str) -> None:
        """Create a branch at a commit."""
        self._add_reference("branches", branch_name(name), commit)

    def add_tag(self, name: str, commit: str, message: str = "") -> None:
        """Create a tag at a commit; with a message it is an object of its own, as git has it."""
        with self._lock:
            self._add_reference("tags", name, commit)
            if message:
                content = f"object {commit}\ntype commit\ntag {name}\n\n{message}\n".encode()
                self.change(annotated={**self.record.annotated, name: object_id("tag", content)})

    def add_pull(self, number: int, commit: str) -> None:
        """Keep a pull request's commits by its number."""
        with self._lock:
            self.change(pulls={**self.record.pulls, str(number): commit})

    def remove_pull(self, number: int) -> None:
        """Let go of a pull request's commits."""
        with self._lock:
            self.change(pulls={key: one for key, one in self.record.pulls.items() if key != str(number)})

    def remove_branch(self, name: str) -> None:
        """Remove a branch other than the default one."""
        if branch_name(name) == DEFAULT_BRANCH:
            raise Refusal(Reason.FORBIDDEN, "Cannot delete refs/heads/main")
        self._remove_reference("branches", name)

    def remove_tag(self, name: str) -> None:
        """Remove a tag."""
        with self._lock:
            self._remove_reference("tags", name)
            self.change(annotated={key: one for key, one in self.record.annotated.items() if key != name})

    def _add_reference(self, kind: str, name: str, commit: str) -> None:
        if not name or len(name) > _LONGEST_REFERENCE or any(c <= " " or c in "~^:?*[\\\x7f" for c in name):
            raise Refusal(Reason.INVALID, "Invalid reference name")
        if kind == "branches" and name.startswith("refs/"):
            raise Refusal(Reason.INVALID, f"Invalid reference for a branch: {name}", about=name)
        with self._lock:
            references = getattr(self.record, kind)
            if name in references:
                full = f"refs/{_FOLDERS[kind]}/{name}"
                raise Refusal(Reason.REFERENCE_EXISTS, f"Reference {full} already exists", about=name)
            if len(references) >= _MOST_REFERENCES:
                raise Refusal(Reason.INVALID, "Too many references")
            self.change(**{kind: {**references, name: commit}})

    def _remove_reference(self, kind: str, name: str) -> None:
        with self._lock:
            references = dict(getattr(self.record, kind))
            if references.pop(name, None) is None:
                shown = name[:_LONGEST_REFERENCE]
                raise Refusal(Reason.REVISION_MISSING, f"Invalid rev id: {shown}", about=shown)
            self.change(**{kind: references})

    def _file(self, put: Put) -> FileRecord:
        size = self._blobs.size(put.sha256)
        if size is None or (put.size is not None and put.size != size):
            text = f"{put.path}: no blob {put.sha256} of that size was uploaded"
            raise Refusal(Reason.BLOB_MISSING, text, about=put.path)
        if put.lfs:
            git_sha1 = object_id("blob", pointer(put.sha256, size))
        else:
            git_sha1 = put.git_sha1 or object_id("blob", self._blobs.read(put.sha256))
        return FileRecord(put.sha256, size, git_sha1, put.lfs, put.xet_hash)


def _clear(folder: Path) -> None:
    """Remove what a crash left where a repository is to be: before its record was written, or while removed.

    Raises:
        Refusal: A repository is there.
    """
    if (folder / "repository.json").exists():
        raise Refusal(Reason.BROKEN, f"The hub's folder {folder.name} is another repository's")
    if folder.exists():
        shutil.rmtree(folder)


def branch_name(name: str) -> str:
    """Return the name a branch is kept under: `main` and `master` are one."""
    return DEFAULT_BRANCH if name in _ALIASES else name


def _names(name: str, commit: str) -> bool:
    return len(name) >= SHORTEST_ID and commit.startswith(name)
