"""The hub's own repositories on pages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from hubferry import cards
from hubferry.serve.hub import account_of
from hubferry.serve.pages.parts import summed_up
from hubferry.serve.pages.sources import Change, Details, Entry
from hubferry.serve.reading import card_of, listed_tree
from hubferry.serve.recent import Recent
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from hubferry.serve.hub import Hub
    from hubferry.serve.pages.place import Place
    from hubferry.serve.pages.sources import Source
    from hubferry.serve.records import CommitHead, FileRecord
    from hubferry.serve.repository import Repository
    from hubferry.serve.tree import Tree

_KEPT = 20_000
"""Repositories whose details are in memory."""


class OwnProvider:
    """What the store has."""

    def __init__(self, hub: Hub) -> None:
        """Nothing is read yet."""
        self._hub = hub
        self._details: Recent[str, Details] = Recent(_KEPT)

    async def open(self, request: web.Request, place: Place) -> OwnShown | None:
        """Return a repository for whoever asks, None if the store has none of that name."""
        account, kind = account_of(request), place.kind or "model"
        try:
            repository = self._hub.store.find(place.repo_id, kind)
        except Refusal:
            return None
        if not self._hub.policy.sees(account, repository.record):
            raise Refusal(Reason.REPOSITORY_MISSING, "Repository not found", about=place.repo_id)
        place = replace(place, repo_id=repository.record.repo_id, dialect="hf")
        commit = await asyncio.to_thread(repository.resolve, place.revision)
        tree = await listed_tree(repository, commit)
        try:
            self._hub.policy.require_content(account, repository.record)
        except Refusal:
            return OwnShown(self._hub, repository, place, commit, tree, readable=False)
        return OwnShown(self._hub, repository, place, commit, tree, readable=True)

    async def entries(self, request: web.Request) -> Sequence[Entry]:
        """Return every repository that whoever asks may see."""
        account, sees, known = account_of(request), self._hub.policy.sees, self._hub.store.all()
        return await asyncio.to_thread(lambda: [_entry(one) for one in known if sees(account, one.record)])

    async def details(self, entries: Sequence[Entry]) -> Mapping[tuple[str, str], Details]:
        """Return the size, the task and the licence of some repositories."""
        return await asyncio.to_thread(self._look, entries)

    def _look(self, entries: Sequence[Entry]) -> Mapping[tuple[str, str], Details]:
        found: dict[tuple[str, str], Details] = {}
        for entry in entries:
            try:
                repository = self._hub.store.find(entry.repo_id, entry.kind)
                commit = repository.resolve(None)
                known = self._details.get(commit)
                if known is None:
                    known = self._one(repository, commit)
                    self._details.put(commit, known, 1)
                found[entry.kind, entry.repo_id] = known
            except Refusal:
                continue  # removed meanwhile, or its history is broken: its own page says so
        return found

    def _one(self, repository: Repository, commit: str) -> Details:
        tree = repository.tree(commit)
        summary = summed_up(tree.files)
        card = card_of(self._hub.store.blobs, tree)
        license_ = repository.record.license or cards.license_of(card) or ""
        return Details(summary.files, summary.size, cards.pipeline_of(card) or "", license_)

    async def standing(self, request: web.Request) -> None:
        """Say nothing: what the store has, the list says."""
        del request


def _entry(repository: Repository) -> Entry:
    record = repository.record
    return Entry(
        record.repo_id, record.kind, record.private, record.gated is not None, record.changed, record.created
    )


class OwnShown:
    """One of the hub's own repositories at a commit."""

    def __init__(  # what a page shows, and for whom
        self, hub: Hub, repository: Repository, place: Place, commit: str, tree: Tree, *, readable: bool
    ) -> None:
        """Show `repository`."""
        self.entry = _entry(repository)
        self.place, self.commit, self.tree = place, commit, tree
        self.source: Source | None = None
        self.here: frozenset[str] | None = None
        self._hub, self._repository, self._readable = hub, repository, readable

    @property
    def branches(self) -> Mapping[str, str]:
        """Where the branches are."""
        return self._repository.record.branches

    @property
    def tags(self) -> Mapping[str, str]:
        """Where the tags are."""
        return self._repository.record.tags

    @property
    def license(self) -> str | None:
        """The licence that was named when the repository was made."""
        return self._repository.record.license

    async def head(self) -> CommitHead | None:
        """Return what the commit says of itself."""
        return await asyncio.to_thread(self._repository.history.commit, self.commit)

    async def commits_of(self, paths: Sequence[str]) -> Mapping[str, CommitHead]:
        """Return the last commits of files, by path."""

        def find() -> dict[str, CommitHead]:
            commit = self._repository.history.commit
            return {path: commit(file.commit) for path in paths if (file := self.tree.get(path)) is not None}

        return await asyncio.to_thread(find)

    async def may_read(self) -> bool:
        """Return whether the reader may have the content of files."""
        return self._readable

    async def read(self, path: str, start: int, count: int) -> bytes:
        """Return a part of a file."""
        return await self._read(self.tree.require(path), start, count)

    async def _read(self, file: FileRecord, start: int, count: int) -> bytes:
        if not self._readable:
            raise Refusal(Reason.GATED, "The terms of this repository must be accepted first")
        return await asyncio.to_thread(self._hub.store.blobs.part, file.sha256, start, count)

    async def history(self, start: int, count: int) -> tuple[Sequence[CommitHead], bool]:
        """Return commits up to this one, newest first, and whether there are more."""
        walk = self._repository.history.walk(self.commit)
        found = await asyncio.to_thread(lambda: list(islice(walk, start, start + count + 1)))
        return found[:count], len(found) > count

    async def changes(self) -> tuple[CommitHead, Sequence[Change]] | None:
        """Return what this commit changed."""

        def compare() -> tuple[CommitHead, list[Change]]:
            record = self._repository.history.changes(self.commit)
            before = self._repository.tree(record.parent).files if record.parent is not None else {}
            changed = [
                Change(path, before.get(path), after) for path, after in sorted(record.changes.items())
            ]
            return record.head, [one for one in changed if (one.before or one.after) is not None]

        return await asyncio.to_thread(compare)

    async def read_before(self, file: FileRecord) -> bytes:
        """Return a small file that a commit changed."""
        return await self._read(file, 0, file.size)

    def download(self, path: str) -> tuple[str, Mapping[str, str]]:
        """Return where a file is had, not escaped, and its query."""
        return f"{self.place.base}/resolve/{self.commit}/{path}", {}
