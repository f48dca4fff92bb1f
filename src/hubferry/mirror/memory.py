"""What a mirror remembers of repositories, on disk beside the models: names, trees, records; never a token.

    <root>/.mirror/hf-model/<name>/repository.json     who may read it, and which commit a name meant
    <root>/.mirror/hf-model/<name>/<commit>.json       its files and the hub's record

None of it has to be durable: what a crash takes is asked for again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hubferry.cache.names import suffixed_name
from hubferry.mirror.snapshots import Snapshot, View, shown_commit

if TYPE_CHECKING:
    from hubferry.mirror.notes import Notes
    from hubferry.model import RepoRef

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

    def __init__(self, notes: Notes) -> None:
        """Remember in `notes`; what cannot be written there is known in this process alone."""
        self._notes = notes
        self._known: OrderedDict[str, Known] = OrderedDict()
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
        old = [names.pop(name) for name in list(names)[: max(0, len(names) - _MOST_NAMES)]]
        self._known[self._key(ref)] = new = Known(public, now, names)
        self._write(ref, "repository", new)
        for unnamed in {one.commit for one in old} - {one.commit for one in names.values()}:
            self._notes.remove(self._name(ref, unnamed))

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

    def _read(self, ref: RepoRef, name: str, shape: type[Kept]) -> Kept | None:
        return self._notes.read(self._name(ref, name), shape, _LARGEST)

    def _write(self, ref: RepoRef, name: str, value: msgspec.Struct) -> None:
        self._notes.write(self._name(ref, name), msgspec.json.encode(value))

    def _name(self, ref: RepoRef, name: str) -> str:
        return f"{self._key(ref)}/{name}.json"
