"""What one model's directory remembers, kept in step on disk and in this process."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from hubferry.cache import locks, manifest
from hubferry.cache.layers import only_read
from hubferry.cache.roots import make_directories
from hubferry.errors import DiskError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Entry, Manifest, Record
    from hubferry.model import RepoFile, RepoRef, Revision


class Memory:
    """The manifest of `records`, read once and again when `reload` says so. Safe for several threads."""

    def __init__(self, records: Path, ref: RepoRef) -> None:
        """Read what is known; nothing is created."""
        self._records = records
        self._ref = ref
        self._changing = threading.Lock()
        self._manifest = self._load()

    @property
    def manifest(self) -> Manifest | None:
        """What is known; None when nothing is, or when what there is cannot be relied upon."""
        return self._manifest

    def reload(self) -> None:
        """Read again what other processes may have recorded."""
        with self._changing:
            self._manifest = self._load()

    def _load(self) -> Manifest | None:
        if self._records.is_symlink():
            message = _("{path} is a symbolic link; nothing is stored through one")
            name = str(self._records)
            raise DiskError(message.format(path=name), side="cache", path=name, hint=_("remove the link"))
        return manifest.load(self._records)

    def begin(self) -> Manifest:
        """Return what is known, writing down whose directory this is where nothing was."""
        with self._changing:
            return self._begin()

    def _begin(self) -> Manifest:
        locks.demand(self._records)
        if self._manifest is None:
            make_directories(self._records)
            self._manifest = manifest.save(self._records, manifest.new(self._ref))
        return self._manifest

    def entry(self, path: str) -> Entry | None:
        """Return what is known about a file."""
        return self._manifest.files.get(path) if self._manifest is not None else None

    def record(self, changes: Sequence[Record], *, must: bool = False) -> None:
        """Record changes; unless they `must` be recorded, a directory that cannot be written is no error.

        What is only read is not tried to be written: then the changes are known in this process alone.
        """
        with self._changing:
            try:
                if not must and only_read(self._records.parent):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                state = self._begin()
                length = manifest.append(self._records, state.number, changes, durable=must)
            except OSError:
                if must:
                    raise
                state = self._manifest = self._manifest or manifest.new(self._ref)
                length = 0
            manifest.apply(state, changes)
            if length > manifest.WORTH_FOLDING:
                self._manifest = manifest.save(self._records, state)

    def expect(self, revision: Revision, listing: Sequence[RepoFile], wanted: Container[str]) -> None:
        """Write down what a commit lists, before it is here; see `ModelDirectory.expect`."""
        with self._changing:
            state = self._begin()
            expected = _expecting(state, revision, listing, wanted)
            if expected != state:
                self._manifest = manifest.save(self._records, expected)

    def settle(self, old: Manifest | None = None) -> Manifest:
        """Write down whether all is here that was expected, and take over what outlives the commit `old`."""
        with self._changing:
            state = _settled(self._begin())
            if old is not None:
                state = msgspec.structs.replace(
                    state, revision=old.revision, created=old.created, pinned=old.pinned
                )
            self._manifest = manifest.save(self._records, state)
            return self._manifest

    def finish(self, revision: Revision, files: Sequence[RepoFile], *, whole: bool) -> None:
        """Write down which commit this is; see `ModelDirectory.finish`."""
        with self._changing:
            state = self._begin()
            state = _with_all(state, revision, files) if whole else _with_part(state, revision, files)
            self._manifest = manifest.save(self._records, state)

    def complete(self) -> tuple[str, list[RepoFile]] | None:
        """Return the commit that was brought in whole, and its files; see `ModelDirectory.complete`."""
        with self._changing:
            state = self._manifest
            if state is None or state.commit is None or not state.is_whole:
                return None
        return state.commit, listed(state)


def listed(state: Manifest) -> list[RepoFile]:
    """Return the files of a manifest's commit as the source listed them, as far as they are known."""
    return [entry.file(path) for path, entry in sorted(state.files.items()) if entry.listed]


def _expecting(
    state: Manifest, revision: Revision, listing: Sequence[RepoFile], wanted: Container[str]
) -> Manifest:
    """Return what is known once `revision` lists these files, of which those at `wanted` were asked for."""
    same = state.commit == revision.commit
    kept = (path for path, one in state.files.items() if one.listed and one.wanted)
    before = {path for path in kept if state.whole or state.files[path].here} if same else set()
    files = {}
    for file in listing:
        asked = file.path in wanted or file.path in before
        entry = manifest.expected(file, state.files.get(file.path), wanted=asked)
        if entry is not None:
            files[file.path] = entry
    return msgspec.structs.replace(
        state,
        files=files,
        commit=revision.commit,
        listing="full" if len(files) == len(listing) else "cut",
        whole=same and state.whole,
        arrived=state.arrived if same else 0.0,
        published=state.published if same else (),
    )


def _with_all(state: Manifest, revision: Revision, files: Sequence[RepoFile]) -> Manifest:
    """Return what is known once these files turned out to be all of `revision`."""
    paths = {file.path for file in files}
    expecting = _expecting(state, revision, files, paths)
    others = {
        path: msgspec.structs.replace(entry, listed=False, wanted=True)
        for path, entry in state.files.items()
        if entry.here and path not in paths
    }
    listing = expecting.listing if files else "none"
    return _settled(
        msgspec.structs.replace(expecting, files=expecting.files | others, listing=listing, whole=False)
    )


def _settled(state: Manifest) -> Manifest:
    now = time.time()
    arrived = (state.arrived or now) if state.is_settled else state.arrived
    return msgspec.structs.replace(state, whole=state.is_whole, arrived=arrived, used=now)


def _with_part(state: Manifest, revision: Revision, files: Sequence[RepoFile]) -> Manifest:
    """Return what is known once these files turned out to be of `revision`, whose listing is not known."""
    same = state.commit == revision.commit
    found = {file.path for file in files if _holds(state, file)}
    if same:
        found |= {path for path, entry in state.files.items() if entry.listed}
    return msgspec.structs.replace(
        state,
        files={
            path: msgspec.structs.replace(entry, listed=path in found)
            for path, entry in state.files.items()
            if entry.here or path in found
        },
        commit=revision.commit,
        listing=state.listing if same else "none",
        whole=same and state.whole,
        published=state.published if same else (),
        used=time.time(),
    )


def _holds(state: Manifest, file: RepoFile) -> bool:
    entry = state.files.get(file.path)
    return entry is not None and entry.here and entry.digests.fit(file)
