"""A mirror's repositories on pages: those that are asked for by name, and those that the cache has."""

from __future__ import annotations

import os
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from hubferry.cache.disk import disk
from hubferry.catalog import moment_of
from hubferry.errors import HubferryError
from hubferry.mirror.content import Small, is_small
from hubferry.mirror.refusals import said
from hubferry.mirror.snapshots import shown_commit
from hubferry.serve.pages.sources import Details, Entry, Source
from hubferry.serve.records import CommitHead
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aiohttp import web

    from hubferry.cache.manifest import Manifest
    from hubferry.mirror.asking import Found
    from hubferry.mirror.clients import Asker
    from hubferry.mirror.mirror import Mirror
    from hubferry.mirror.upstreams import Upstream
    from hubferry.model import RepoType
    from hubferry.serve.pages.place import Place
    from hubferry.serve.pages.sources import Change
    from hubferry.serve.records import FileRecord

_TITLES = {"hf": "Hugging Face", "ms": "ModelScope"}
_OK = 200
_COMMITS_A_PAGE = 50


class MirrorProvider:
    """What upstream has, and of that what is here."""

    def __init__(
        self,
        mirror: Callable[[web.Request], Mirror],
        who: Callable[[web.Request, Mirror, Upstream], Asker],
    ) -> None:
        """Ask as whom `who` says, and not before somebody looks."""
        self._mirror, self._who = mirror, who
        self._known: dict[tuple[str, str], Details] = {}

    async def open(self, request: web.Request, place: Place) -> MirrorShown | None:
        """Return a repository for whoever asks, None if no upstream has one of that name for them."""
        if place.owner:
            return None  # an owner's name alone: upstream is not asked for each of them
        mirror = self._mirror(request)
        missing: Refusal | None = None
        for upstream in _in_order(mirror, place.dialect):
            who = self._who(request, mirror, upstream)
            kind = cast("RepoType", place.kind or "model")
            try:
                found = await mirror.look(upstream, place.repo_id, kind, place.revision, who)
            except Refusal as refusal:
                if refusal.reason is not Reason.REPOSITORY_MISSING:
                    missing = missing or refusal
                continue
            await mirror.shelf.in_thread(mirror.shelf.index.refresh)
            return MirrorShown(mirror, upstream, who, found, replace(place, dialect=upstream.dialect))
        if missing is not None:
            raise missing
        return None

    async def entries(self, request: web.Request) -> Sequence[Entry]:
        """Return the repositories of which the cache has something, as far as anybody may know of them."""
        mirror = self._mirror(request)
        return await mirror.shelf.in_thread(self._cached, mirror)

    def _cached(self, mirror: Mirror) -> list[Entry]:
        mirror.shelf.index.refresh()
        found: dict[tuple[str, str], Entry] = {}
        details: dict[tuple[str, str], Details] = {}
        for manifest in mirror.shelf.index.manifests():
            upstream = next((one for one in mirror.wishes.upstreams if one.hub == manifest.hub), None)
            if upstream is None or upstream.translated or not _may_be_listed(mirror, manifest):
                continue
            key = manifest.repo_type, manifest.repo_id
            if key not in found or (found[key].changed or 0.0) < manifest.used:
                found[key] = Entry(
                    manifest.repo_id, manifest.repo_type, changed=manifest.used, origin=upstream.dialect
                )
                details[key] = _details(manifest)
        self._known = details
        return list(found.values())

    async def details(self, entries: Sequence[Entry]) -> Mapping[tuple[str, str], Details]:
        """Return how much there is of some repositories."""
        keys = [(one.kind, one.repo_id) for one in entries if one.origin]
        return {key: self._known[key] for key in keys if key in self._known}

    async def standing(self, request: web.Request) -> Mapping[str, object]:
        """Return what the mirror has done since it began."""
        mirror = self._mirror(request)
        counts = mirror.counts
        return {
            "upstreams": [_shown(one) for one in mirror.wishes.upstreams],
            "hits": counts.hits,
            "misses": counts.misses,
            "saved": counts.saved,
            "fetched": counts.fetched,
            "stale": counts.stale,
            "wrong": counts.wrong,
            "began": counts.began,
            "offline": mirror.wishes.offline,
        }


def _in_order(mirror: Mirror, dialect: str) -> list[Upstream]:
    """Return the hubs to ask, that of the address first."""
    return sorted(mirror.wishes.upstreams, key=lambda one: one.dialect != dialect)


def _shown(upstream: Upstream) -> str:
    name = _TITLES[upstream.hub]
    return f"{name} ({upstream.endpoint})" if upstream.endpoint else name


def _may_be_listed(mirror: Mirror, manifest: Manifest) -> bool:
    """Return whether anybody may know that the cache has this: never what is not known to be public."""
    if not mirror.wishes.choice.permits(manifest.repo_id):
        return False
    known = mirror.memory.known(manifest.ref)
    return known.public or (mirror.wishes.trusts_cache and not known.asked)


def _details(manifest: Manifest) -> Details:
    listed = [entry for entry in manifest.files.values() if entry.listed]
    here = sum(entry.size for entry in listed if entry.here)
    return Details(len(listed), sum(entry.size for entry in listed), here=here)


class MirrorShown:
    """A repository that comes from upstream, at a commit, for one reader."""

    def __init__(self, mirror: Mirror, upstream: Upstream, who: Asker, found: Found, place: Place) -> None:
        """Show what was `found`."""
        self._mirror, self._upstream, self._who, self._found = mirror, upstream, who, found
        view = found.view
        self.place, self.commit, self.tree = place, view.commit, view.tree
        record, snapshot = view.snapshot.record, view.snapshot
        changed = moment_of(record.get("lastModified") or record.get("LastUpdatedTime"))
        self.entry = Entry(
            place.repo_id,
            place.kind or "model",
            snapshot.private,
            snapshot.gated,
            changed,
            None,
            upstream.dialect,
        )
        self.here: frozenset[str] | None = self._held()
        self.source: Source | None = self._source()

    def _held(self) -> frozenset[str]:
        found: set[str] = set()
        for model in self._mirror.shelf.index.of(self._found.view.snapshot):
            if model.manifest is not None:
                found.update(path for path, entry in model.manifest.files.items() if entry.here)
        return frozenset(found & self.tree.files.keys())

    def _source(self) -> Source:
        ref = self._found.view.snapshot.ref()
        known = self._mirror.memory.known(ref)
        endpoint, name = self._upstream.endpoint, ref.repo_id
        folder = "datasets/" if ref.repo_type == "dataset" else ("models/" if ref.hub == "ms" else "")
        return Source(
            _TITLES[self._upstream.hub],
            f"{endpoint}/{folder}{name}" if endpoint else "",
            self._found.stale,
            known.asked or None,
            sum(self.tree.files[path].size for path in self.here or ()),
        )

    @property
    def branches(self) -> Mapping[str, str]:
        """Names that were asked for here, and what they meant."""
        names = self._mirror.memory.known(self._found.view.snapshot.ref()).names
        shown = {
            name or "main": one.commit
            for name, one in names.items()
            if name not in (one.commit, shown_commit(one.commit)) and not name.startswith("refs/")
        }
        return {"main": self.commit, **shown}

    @property
    def tags(self) -> Mapping[str, str]:
        """Nothing: which of the names are tags only the hub knows."""
        return {}

    @property
    def license(self) -> str | None:
        """The licence as the hub says."""
        return self._found.view.snapshot.license

    async def head(self) -> CommitHead | None:
        """Return nothing: the hub is not asked for a title on every page."""
        return None

    async def commits_of(self, paths: Sequence[str]) -> Mapping[str, CommitHead]:
        """Return nothing, for the same reason."""
        del paths
        return {}

    async def may_read(self) -> bool:
        """Return whether the hub gives the reader content."""
        file = next((one for one in self._found.view.snapshot.files if one.size), None)
        if file is None:
            return True
        try:
            await self._mirror.demand_content(self._upstream, self._found, file, self._who)
        except Refusal:
            return False
        return True

    async def read(self, path: str, start: int, count: int) -> bytes:
        """Return a part of a file: from the cache, or of one that is not here so much of it from upstream."""
        mirror = self._mirror
        wanted = await mirror.wanted(self._upstream, self._found, path, self._who)
        try:
            place = await mirror.shelf.find(wanted.view, wanted.file)
            if place is None and is_small(wanted.file):
                got = await mirror.contents.get(wanted)
                if isinstance(got, Small):
                    return got.content[start : start + count]
            if place is not None:
                return await mirror.shelf.in_thread(_part, place, start, count)
            return await self._from_upstream(wanted, start, count)
        except HubferryError as error:
            raise said(error, self.place.repo_id, None) from error

    async def _from_upstream(self, wanted: Any, start: int, count: int) -> bytes:
        """Return a part that is shown and nothing else: no hash proves a part."""
        if wanted.source is None:
            raise Refusal(Reason.ENTRY_MISSING, "This file is not in the cache, and no hub is asked")
        got = bytearray()
        stop = min(wanted.file.size or 0, start + count)
        if stop > start:
            pinned = wanted.view.snapshot.pinned(self._upstream.endpoint)
            async with aclosing(wanted.source.read(pinned, wanted.file, start, stop)) as pieces:
                async for piece in pieces:
                    got += piece
        self._mirror.counts.fetched += len(got)
        return bytes(got[:count])

    async def history(self, start: int, count: int) -> tuple[Sequence[CommitHead], bool]:
        """Return the commits that the hub tells of; nothing where it cannot be asked, or tells none."""
        if self._upstream.hub != "hf" or self._upstream.translated:
            return (), False
        snapshot = self._found.view.snapshot
        page = start // _COMMITS_A_PAGE
        target = (
            f"/api/{snapshot.repo_type}s/{snapshot.repo_id}/commits/{snapshot.commit}?p={page}&limit={count}"
        )
        with suppress(HubferryError):
            answer = await self._mirror.relay.get(self._upstream, target, self._who, remember=False)
            if answer.status == _OK and isinstance(answer.body, list):
                heads = [_head(one) for one in answer.body if isinstance(one, dict)]
                return heads[:count], 'rel="next"' in answer.link
        return (), False

    async def changes(self) -> tuple[CommitHead, Sequence[Change]] | None:
        """Return nothing: what a commit changed is upstream's to tell."""
        return None

    async def read_before(self, file: FileRecord) -> bytes:
        """Return nothing, since no changes are shown."""
        del file
        return b""

    def download(self, path: str) -> tuple[str, Mapping[str, str]]:
        """Return where a file is had: as the clients of the dialect do."""
        if self.place.dialect != "ms":
            return f"{self.place.base}/resolve/{self.commit}/{path}", {}
        kind = "datasets" if self.place.kind == "dataset" else "models"
        return f"/api/v1/{kind}/{self.place.repo_id}/repo", {"Revision": self.commit, "FilePath": path}


def _head(said_: Mapping[str, Any]) -> CommitHead:
    authors = said_.get("authors")
    first = authors[0] if isinstance(authors, list) and authors and isinstance(authors[0], dict) else {}
    return CommitHead(
        str(said_.get("id", ""))[:40],
        None,
        moment_of(said_.get("date")) or time.time(),
        str(said_.get("title", "")),
        str(said_.get("message", "")),
        str(first.get("user", "")),
    )


def _part(place: Path, start: int, count: int) -> bytes:
    descriptor = disk.open(place, os.O_RDONLY)
    try:
        return disk.pread(descriptor, count, start)
    finally:
        disk.close(descriptor)
