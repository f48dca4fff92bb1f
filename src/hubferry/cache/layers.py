"""A model's directory that is only read: another user's, one on a read-only disk, one that a run holds.

Nothing in it is created, locked, touched or written down. Its own records say what its files are as long as
they look as they did; what they do not say is hashed once, and remembered in a root of our own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import placing
from hubferry.cache.manifest import JOURNAL
from hubferry.cache.names import RECORDS
from hubferry.cache.roots import FOLDERS, READ_ONLY, folder_records
from hubferry.locking import LOCK
from hubferry.places import is_directory, is_regular_file, is_writable, resolved, several_from_environment
from hubferry.readings.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hubferry.cache.directory import ModelDirectory
    from hubferry.cache.manifest import Manifest
    from hubferry.model import Digests, RepoFile
    from hubferry.readings.records import Reading


def only_read(directory: Path) -> bool:
    """Return whether a model's directory must not, or cannot, be changed by this user.

    One that is not there yet can be, unless it would lie in a root that is only read.
    """
    named = {resolved(place) for place in several_from_environment(READ_ONLY)}
    here = resolved(directory) if named else directory
    if named and not named.isdisjoint((here, *here.parents)):
        return True
    if not is_directory(directory):
        return False
    records = directory / RECORDS
    if not is_directory(records) or not is_writable(directory):
        return not is_writable(directory)
    ours = (records / name for name in (LOCK, JOURNAL))  # anything else in their place is replaced
    there = filter(is_regular_file, ours)
    return not is_writable(records) or not all(os.access(place, os.W_OK) for place in there)


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was seen; see `hubferry.readings.reader.Seen`."""

    path: str
    place: Path
    status: os.stat_result


class Layer:
    """Read one model's directory; see the module."""

    def __init__(self, model: ModelDirectory, root: Path | None) -> None:
        """Look at `model`; a `root` of our own, if any, remembers what reading its files brought up."""
        self._model = model
        self._root = root
        self._records = Records(root / FOLDERS if root is not None else None, model.path.resolve())
        self._readings: dict[str, Reading] = {}

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._model.path

    @property
    def only_read(self) -> bool:
        """Whether it must not, or cannot, be changed by this user."""
        return only_read(self.path)

    @property
    def model(self) -> ModelDirectory:
        """What is recorded there."""
        return self._model

    @property
    def manifest(self) -> Manifest | None:
        """What is recorded there; None where nothing is."""
        return self._model.manifest

    def target(self, path: str) -> Path:
        """Return where a file is; see `ModelDirectory.target`."""
        return self._model.target(path)

    def disk_errors(self) -> AbstractContextManager[None]:
        """Turn OSErrors of reading here into DiskErrors."""
        return self._model.disk_errors()

    def is_of(self, commit: str, listing: Iterable[RepoFile]) -> bool:
        """Return whether what is recorded there is a commit's: by its name, or by every file that is here."""
        known = self.manifest
        if known is None or known.commit == commit:
            return known is None or not known.stale
        listed = {file.path: file for file in listing}
        here = ((path, entry) for path, entry in known.files.items() if entry.here)
        return all(path in listed and entry.digests.fit(listed[path]) for path, entry in here)

    def known(self, file: RepoFile) -> Digests | None:
        """Return the digests of `file` if it is here and proven; content is never read."""
        if digests := self._model.known(file):
            return digests
        reading = self._readings.get(file.path)
        if reading is None:
            status = placing.status_of(self.target(file.path))
            reading = None if status is None else self._records.find(file.path, status)
        return reading.digests if reading is not None and reading.digests.fit(file) else None

    def is_readable(self, files: Iterable[RepoFile]) -> bool:
        """Return whether this user may read all of these files."""
        return all(os.access(self.target(file.path), os.R_OK) for file in files)

    def to_read(self, files: Sequence[RepoFile]) -> list[SeenFile] | None:
        """Return which of `files` have to be read to be known; None when one is not here, or cannot be it."""
        found: list[SeenFile] = []
        for file in files:
            if self.known(file) is not None:
                continue
            place = self.target(file.path)
            status = placing.status_of(place)
            signature = placing.signature_of(status)
            if status is None or signature is None or signature.size != file.size:
                return None
            found.append(SeenFile(file.path, place, status))
        return found

    def remember(self, readings: dict[str, Reading], *, lasting: Iterable[str]) -> None:
        """Take in what reading brought up; of what is `lasting` a later run may believe the stamps."""
        self._readings |= readings
        kept = {path: readings[path] for path in lasting}
        if self._root is not None:
            folder_records(self._root)
        self._records.keep(self._records.known | kept)
