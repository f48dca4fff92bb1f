"""Which content the cache has, by digest, in every root; only names and records are read."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import disk
from hubferry.cache.listing import entries, is_model
from hubferry.cache.manifest import JOURNAL, MANIFEST
from hubferry.cache.names import RECORDS
from hubferry.errors import DiskError
from hubferry.model import RepoFile, RepoRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Manifest
    from hubferry.mirror.snapshots import Snapshot

_FRESH = 2.0
"""Seconds for which nobody looks whether another process has changed something."""
_NOBODY = RepoRef("hf", "unknown/unknown")
Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Shelved:
    """A model's directory as it was last read."""

    model: ModelDirectory
    stamp: Stamp

    @property
    def manifest(self) -> Manifest | None:
        """Whose it is, and what it has."""
        return self.model.manifest


@dataclass(frozen=True, slots=True)
class Place:
    """A whole file of the cache."""

    model: ModelDirectory
    path: str


class Index:
    """The directories of all roots. Safe for several threads; `refresh` blocks, the rest does not."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """Nothing is read yet."""
        self._roots = roots
        self._shelved: dict[Path, Shelved] = {}
        self._digests: dict[str, list[Place]] = {}
        self._read_at = 0.0
        self._lock = threading.Lock()

    @property
    def is_fresh(self) -> bool:
        """Whether it was read just now."""
        return time.monotonic() - self._read_at < _FRESH

    def refresh(self, *, force: bool = False) -> None:
        """Read what has changed since, unless that was done just now."""
        with self._lock:
            if self.is_fresh and not force:
                return
            found = dict(self._all())
            if found.keys() != self._shelved.keys() or any(self._shelved[p] is not found[p] for p in found):
                self._shelved = found
                self._digests = _by_digest(found.values())
            self._read_at = time.monotonic()

    def _all(self) -> Iterator[tuple[Path, Shelved]]:
        for root in self._roots:
            with suppress(OSError, DiskError):
                for entry in entries(root):
                    if is_model(entry):
                        path = root / entry.name
                        shelved = self._one(path)
                        if shelved is not None:
                            yield path, shelved

    def _one(self, path: Path) -> Shelved | None:
        stamp = _stamp(path)
        known = self._shelved.get(path)
        if known is not None and known.stamp == stamp:
            return known
        if stamp == (None, None):
            return None
        with suppress(OSError, DiskError):
            model = ModelDirectory(path, _NOBODY)
            return Shelved(model, stamp) if model.manifest is not None else None
        return None

    def of(self, snapshot: Snapshot) -> list[ModelDirectory]:
        """Return the directories that hold this very commit, whole or not."""
        ref = snapshot.ref()
        return [
            one.model
            for one in self._shelved.values()
            if one.manifest is not None
            and one.manifest.belongs_to(ref)
            and one.manifest.commit == snapshot.commit
        ]

    def of_repository(self, ref: RepoRef) -> list[Manifest]:
        """Return the records of every directory of a repository."""
        manifests = [one.manifest for one in self._shelved.values()]
        return [one for one in manifests if one is not None and one.belongs_to(ref)]

    def manifests(self) -> list[Manifest]:
        """Return the records of all directories."""
        return [one.manifest for one in self._shelved.values() if one.manifest is not None]

    def places(self, file: RepoFile) -> list[Place]:
        """Return where a file's content is recorded to be."""
        found = [*self._digests.get(file.sha256 or "", ()), *self._digests.get(file.git_sha1 or "", ())]
        return [place for place in found if place.model.manifest is not None]


def proven(model: ModelDirectory, file: RepoFile) -> bool:
    """Return whether a directory has a file, proven, and unchanged since; an unreadable one does not."""
    with suppress(OSError, DiskError):
        return model.known(file) is not None and os.access(model.target(file.path), os.R_OK)
    return False


def _by_digest(shelved: Iterable[Shelved]) -> dict[str, list[Place]]:
    digests: dict[str, list[Place]] = {}
    for one in shelved:
        if one.manifest is None:
            continue
        for path, entry in one.manifest.files.items():
            if entry.here:
                place = Place(one.model, path)
                for digest in filter(None, (entry.sha256, entry.git_sha1)):
                    digests.setdefault(digest, []).append(place)
    return digests


def _stamp(path: Path) -> Stamp:
    return _stamp_of(path / RECORDS / MANIFEST), _stamp_of(path / RECORDS / JOURNAL)


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = disk.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
