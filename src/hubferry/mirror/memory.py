"""What a mirror remembers of repositories, on disk beside the models: names, trees, records; never a token.

    <root>/.mirror/hf-model/<name>/repository.json     who may read it, and which commit a name meant
    <root>/.mirror/hf-model/<name>/<commit>.json       its files and the hub's record

None of it has to be durable: what a crash takes is asked for again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hubferry.cache.disk import disk
from hubferry.cache.names import suffixed_name
from hubferry.cache.roots import create_root, make_directories
from hubferry.errors import DiskError
from hubferry.mirror.snapshots import Snapshot, View, shown_commit

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.model import RepoRef

FOLDER = ".mirror"
_LARGEST = 128 * 1024 * 1024
_MOST_NAMES = 1000
"""Names of one repository that are kept; a client may make up any number of them."""
_MOST_FILES = 300_000
"""Files, in all, of the snapshots that are kept in memory."""
_MOST_REPOSITORIES = 4096
_DEFAULTS = (None, "main", "master")
Kept = TypeVar("Kept", bound=msgspec.Struct)


class Named(msgspec.Struct, frozen=True):
    """What a name meant, and when that was asked (seconds since 1970)."""

    commit: str
    asked: float


class Known(msgspec.Struct, frozen=True):
    """What is known of a repository.

    Attributes:
        public: Whether a stranger may read all of it.
        asked: When that was asked, in seconds since 1970.
        names: Branches, tags and commits; the default branch is the empty name.
    """

    public: bool = False
    asked: float = 0.0
    names: dict[str, Named] = {}


def name_of(revision: str | None) -> str:
    """Return the key of a revision; the default branch is empty by any of its names."""
    return "" if revision in _DEFAULTS or revision is None else revision


class Memory:
    """Everything that is remembered. Safe on one event loop and its threads; reading blocks a little."""

    def __init__(self, root: Path | None) -> None:
        """Remember below `root`, in this process alone without one."""
        self._root = None if root is None else root / FOLDER
        self._home = root
        self._known: OrderedDict[Path | str, Known] = OrderedDict()
        self._views: OrderedDict[tuple[str, str], View] = OrderedDict()

    def known(self, ref: RepoRef) -> Known:
        """Return what is known of a repository."""
        key = self._key(ref)
        if key not in self._known:
            self._known[key] = self._read(ref, "repository", Known) or Known()
            while len(self._known) > _MOST_REPOSITORIES:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def note(self, ref: RepoRef, *, public: bool, now: float, commit: str | None = None) -> None:
        """Write down who may read a repository, and what its name meant."""
        known = self.known(ref)
        names = dict(known.names)
        if commit is not None:
            for name in {name_of(ref.revision), commit, shown_commit(commit)}:
                names.pop(name, None)
                names[name] = Named(commit, now)
        for name in list(names)[: max(0, len(names) - _MOST_NAMES)]:
            del names[name]
        self._known[self._key(ref)] = new = Known(public, now, names)
        self._write(ref, "repository", new)

    def view(self, ref: RepoRef, commit: str) -> View | None:
        """Return a commit of a repository, if it is known."""
        key = self._key(ref), commit
        if key not in self._views:
            snapshot = self._read(ref, commit, Snapshot)
            if snapshot is None:
                return None
            self._keep(key, View(snapshot))
        self._views.move_to_end(key)
        return self._views[key]

    async def load(self, ref: RepoRef, commit: str) -> View | None:
        """Return a commit of a repository, if it is known; reading one is not for the event loop."""
        key = self._key(ref), commit
        if key not in self._views:
            view = await asyncio.to_thread(self._prepared, ref, commit)
            if view is None:
                return None
            self._keep(key, view)
        return self.view(ref, commit)

    def _prepared(self, ref: RepoRef, commit: str) -> View | None:
        snapshot = self._read(ref, commit, Snapshot)
        return None if snapshot is None else View(snapshot).prepare()

    async def keep(self, snapshot: Snapshot) -> View:
        """Keep a commit, on disk too; return what is asked of it."""
        ref, view = snapshot.ref(), View(snapshot)
        await asyncio.to_thread(view.prepare)
        self._keep((self._key(ref), snapshot.commit), view)
        await asyncio.to_thread(self._write, ref, snapshot.commit, snapshot)
        return view

    def _keep(self, key: tuple[str, str], view: View) -> None:
        self._views[key] = view
        self._views.move_to_end(key)
        while (
            len(self._views) > 1
            and sum(len(one.snapshot.files) for one in self._views.values()) > _MOST_FILES
        ):
            self._views.popitem(last=False)

    def _key(self, ref: RepoRef) -> str:
        return f"{ref.hub}-{ref.repo_type}/{suffixed_name(ref)}"

    def _place(self, ref: RepoRef, name: str) -> Path | None:
        return None if self._root is None else self._root / self._key(ref) / f"{name}.json"

    def _read(self, ref: RepoRef, name: str, shape: type[Kept]) -> Kept | None:
        place = self._place(ref, name)
        if place is None:
            return None
        with suppress(OSError, ValueError, RecursionError):
            content = disk.read_record(place, _LARGEST)
            return None if content is None else msgspec.json.decode(content, type=shape)
        return None

    def _write(self, ref: RepoRef, name: str, value: msgspec.Struct) -> None:
        """Write a record; one that cannot be written is known in this process alone."""
        place = self._place(ref, name)
        if place is None or self._home is None:
            return
        temporary = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
        with suppress(OSError, DiskError):
            create_root(self._home)
            make_directories(place.parent)
            descriptor = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                disk.pwrite_all(descriptor, [msgspec.json.encode(value)], 0)
            finally:
                disk.close(descriptor)
            disk.replace(temporary, place)
