"""The hub's memory on disk: repositories, their branches, tags and commits, and the blobs below them.

    <root>/blobs/ab/abcdef...                       content by sha256
    <root>/incoming/                                blobs that are arriving
    <root>/repositories/model/owner@name/repository.json
    <root>/repositories/model/owner@name/commits/<id>.json
    <root>/repositories/model/owner@name/trees/<id>    all files of a commit, now and then

Blobs are on disk before a commit names them, the commit before a branch points to it; a branch moves last.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

from hubferry.errors import IntegrityError, LockedError
from hubferry.i18n import _
from hubferry.serve.blobs import Blobs
from hubferry.serve.disk import make_folder, sync
from hubferry.serve.history import Kept
from hubferry.serve.lfs import is_lfs
from hubferry.serve.records import Change, CommitRecord, Put, RepositoryRecord
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import DEFAULT_BRANCH, Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_LEFT_BY_GIT = ("incoming-*", "objects/pack/tmp_*")
"""What a process that ends in the middle of a push, or of an import, leaves in a repository's `git/`."""
_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
KINDS = ("model", "dataset")


def check_repo_id(repo_id: str) -> str:
    """Return `repo_id` if it is `name` or `owner/name` in the characters both hubs allow, else refuse."""
    owner, slash, name = repo_id.rpartition("/")
    parts = [owner, name] if slash else [name]
    if not all(_SEGMENT.fullmatch(part) and ".." not in part for part in parts):
        raise Refusal(Reason.INVALID, f"Invalid repository name: {repo_id[:200]!r}")
    return repo_id


def _opened(folder: Path, blobs: Blobs, kept: Kept) -> Repository:
    try:
        return Repository.open(folder, blobs, kept)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, reason: Exception) -> IntegrityError:
    record = folder / "repository.json"
    return IntegrityError(
        _("{path} cannot be read: {reason}").format(path=record, reason=reason),
        path=str(record),
        hint=_("put it back from a copy, or move the folder {folder} away").format(folder=folder),
    )


def _taken(repo_id: str, kind: str) -> Refusal:
    text = f"A {kind} repository called {repo_id} already exists"
    return Refusal(Reason.REPOSITORY_EXISTS, text, about=repo_id)


class Store:
    """Open a store, or make an empty one. Safe to use from several threads, by one process at a time.

    Without `durable` a power cut may lose blobs that commits name; a benchmark's hub may be so.

    Raises:
        IntegrityError: A repository's own record is broken.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = root
        self.blobs = Blobs(root, durable=durable)
        self._kept = Kept()
        self._folder = root / "repositories"
        self._known: dict[tuple[str, str], Repository] = {}
        self._spelled: dict[tuple[str, str], str] = {}
        self._former: dict[tuple[str, str], str] = {}
        self._lock = threading.RLock()
        for folder in (root.parent, root, self._folder):
            make_folder(folder)
            sync(folder)  # an earlier process may have made it and ended before this
        for kind in KINDS:
            make_folder(self._folder / kind)
            sync(self._folder / kind)
            for path in (self._folder / kind).iterdir():
                if (path / "repository.json").exists():
                    repository = _opened(path, self.blobs, self._kept)
                    self._know(repository)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes off this store, and end what one of them left half done.

        Raises:
            LockedError: Another process serves it.
            IntegrityError: Two folders say that they are the same repository.
        """
        lock = FileLock(self.root / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise LockedError(_("another hub already serves {folder}").format(folder=self.root)) from error
        try:
            self.blobs.clear_incoming()
            self._clear_git()
            self._finish_moves()
            yield
        finally:
            lock.release()

    def _clear_git(self) -> None:
        for pattern in _LEFT_BY_GIT:
            for path in self._folder.glob(f"*/*/git/{pattern}"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()

    def _finish_moves(self) -> None:
        """Give repositories the folders of their names, which a crash kept from them."""
        for (kind, repo_id), repository in self._known.items():
            place = self._path(repo_id, kind)
            if repository.folder != place:
                try:
                    repository.move(place, repo_id)
                except Refusal as refusal:
                    raise _unreadable(repository.folder, refusal) from refusal

    def find(self, repo_id: str, kind: str = "model") -> Repository:
        """Return a repository.

        Raises:
            Refusal: There is none of that name.
        """
        found = self._known.get((kind, repo_id)) or self._known.get((kind, self.spelled(repo_id, kind)))
        if found is None:
            raise Refusal(Reason.REPOSITORY_MISSING, f"Repository not found: {repo_id}", about=repo_id)
        return found

    def spelled(self, repo_id: str, kind: str) -> str:
        """Return a name as the repository has it, for one that has the same letters in another case."""
        return self._spelled.get((kind, repo_id.lower()), repo_id)

    def renamed(self, repo_id: str, kind: str) -> str | None:
        """Return what a repository is called that had this name before, None for a name that nobody had."""
        if (kind, self.spelled(repo_id, kind)) in self._known:
            return None
        return self._former.get((kind, repo_id.lower()))

    def move(self, repo_id: str, new_id: str, kind: str = "model") -> Repository:
        """Give a repository another name; the old one leads to it until somebody takes that.

        Raises:
            Refusal: There is no such repository, or the new name is taken or no name.
        """
        with self._lock:
            repository = self.find(repo_id, kind)
            old_id = repository.record.repo_id
            check_repo_id(new_id)
            if self.spelled(new_id, kind) not in (new_id, old_id) or (kind, new_id) in self._known:
                raise _taken(new_id, kind)
            former = repository.record.former
            repository.move(self._path(new_id, kind), new_id)
            self._forget(former, old_id, kind)
            self._know(repository)
            return repository

    def duplicate(self, repository: Repository, new_id: str, *, private: bool) -> Repository:
        """Make a copy of a repository with all its commits.

        Raises:
            Refusal: The name is taken or no name.
        """
        kind = repository.record.kind
        with self._lock:
            check_repo_id(new_id)
            if (kind, self.spelled(new_id, kind)) in self._known:
                raise _taken(new_id, kind)
            copy = repository.copy(self._path(new_id, kind), new_id, self._kept, private=private)
            self._know(copy)
            return copy

    def _know(self, repository: Repository) -> None:
        record = repository.record
        self._known[record.kind, record.repo_id] = repository
        self._spelled.setdefault((record.kind, record.repo_id.lower()), record.repo_id)
        for name in record.former:
            self._former[record.kind, name.lower()] = record.repo_id

    def _forget(self, former: Sequence[str], repo_id: str, kind: str) -> None:
        self._known.pop((kind, repo_id))
        if self._spelled.get((kind, repo_id.lower())) == repo_id:
            del self._spelled[kind, repo_id.lower()]
        for name in former:
            self._former.pop((kind, name.lower()), None)

    def repositories(self, kind: str = "model") -> Iterator[Repository]:
        """Yield every repository of a kind, by name."""
        for (of_kind, _name), repository in sorted(self._known.items(), key=itemgetter(0)):
            if of_kind == kind:
                yield repository

    def all(self) -> list[Repository]:
        """Return every repository of every kind, in no order: there may be many, and sorting takes time."""
        return list(self._known.values())

    def create(  # noqa: PLR0913  # one for each field of a repository
        self,
        repo_id: str,
        kind: str = "model",
        *,
        private: bool = False,
        gated: str | None = None,
        license: str | None = None,  # noqa: A002  # the word for it
        description: str = "",
        granted: Sequence[str] = (),
        initial: Sequence[Put] = (),
        author: str = "system",
    ) -> Repository:
        """Make an empty repository.

        Raises:
            Refusal: The name is taken or no name.
        """
        check_repo_id(repo_id)
        if kind not in KINDS:
            raise Refusal(Reason.INVALID, f"Unknown repository type: {kind[:40]!r}")
        with self._lock:
            if (kind, self.spelled(repo_id, kind)) in self._known:
                raise _taken(self.spelled(repo_id, kind), kind)
            now = time.time()
            record = RepositoryRecord(
                repo_id, kind, now, now, private, gated, license, description, tuple(granted)
            )
            repository = Repository.make(
                self._path(repo_id, kind), self.blobs, record, initial, self._kept, author
            )
            self._know(repository)
            return repository

    def delete(self, repo_id: str, kind: str = "model") -> None:
        """Remove a repository; its blobs stay, others may name them."""
        with self._lock:
            repository = self.find(repo_id, kind)
            self._forget(repository.record.former, repository.record.repo_id, kind)
            repository.remove()

    def add(
        self,
        repo_id: str,
        files: Mapping[str, bytes | Path],
        message: str = "Add files",
        *,
        kind: str = "model",
        branch: str = DEFAULT_BRANCH,
        author: str = "local",
    ) -> CommitRecord:
        """Commit contents or local files directly, creating the repository if need be.

        Paths are data here and are taken as they are, also those that a client could never commit.
        """
        repository = self._known.get((kind, repo_id)) or self.create(repo_id, kind)
        changes: list[Change] = []
        for path, content in files.items():
            sha256 = self.blobs.put(content) if isinstance(content, bytes) else self.blobs.put_file(content)
            size = self.blobs.size(sha256) or 0
            changes.append(Put(path, sha256, is_lfs(path, size, self.blobs.start(sha256))))
        return repository.commit(branch, changes, title=message, author=author, strict=False)

    def _path(self, repo_id: str, kind: str) -> Path:
        return self._folder / kind / repo_id.replace("/", "@")
