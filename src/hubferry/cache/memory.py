"""What one model's directory remembers, kept in step on disk and in this process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec

from hubferry.cache import manifest
from hubferry.cache.roots import make_directories
from hubferry.errors import DiskError
from hubferry.i18n import _
from hubferry.model import RepoFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Entry, Manifest, Record
    from hubferry.model import RepoRef, Revision


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
        if self._manifest is None:
            make_directories(self._records)
            self._manifest = manifest.save(self._records, manifest.new(self._ref))
        return self._manifest

    def entry(self, path: str) -> Entry | None:
        """Return what is known about a file."""
        return self._manifest.files.get(path) if self._manifest is not None else None

    def below(self, name: str) -> list[str]:
        """Return the known files that are `name`, or are in a directory of that name."""
        with self._changing:
            known = self._manifest.files if self._manifest is not None else {}
            return [path for path in known if path == name or path.startswith(name + "/")]

    def record(self, changes: Sequence[Record], *, must: bool = False) -> None:
        """Record changes; unless they `must` be recorded, a directory that cannot be written is no error."""
        with self._changing:
            try:
                state = self._begin()
                manifest.append(self._records, state.number, changes, durable=must)
            except OSError:
                if must:
                    raise
                state = self._manifest = self._manifest or manifest.new(self._ref)
            manifest.apply(state, changes)

    def finish(self, revision: Revision, files: Sequence[RepoFile], *, whole: bool) -> None:
        """Write down which commit this is; see `ModelDirectory.finish`."""
        with self._changing:
            state = self._begin()
            same = state.commit == revision.commit
            listed = {file.path for file in files if _holds(state, file)}
            complete = whole and bool(files) and len(listed) == len(files)
            if same and not complete:
                listed |= {path for path, entry in state.files.items() if entry.listed}
            state = msgspec.structs.replace(
                state,
                files={
                    path: msgspec.structs.replace(entry, listed=path in listed)
                    for path, entry in state.files.items()
                    if entry.signature is not None or path in listed
                },
                commit=revision.commit,
                whole=complete or (same and state.whole),
                published=state.published if same else (),
                used=time.time(),
            )
            self._manifest = manifest.save(self._records, state)

    def complete(self) -> tuple[str, list[RepoFile]] | None:
        """Return the commit that was brought in whole, and its files; see `ModelDirectory.complete`."""
        with self._changing:
            state = self._manifest
            if state is None or state.commit is None or not state.whole:
                return None
            listed = [(path, entry) for path, entry in sorted(state.files.items()) if entry.listed]
        return state.commit, [
            RepoFile(path, entry.size, entry.sha256, entry.git_sha1) for path, entry in listed
        ]


def _holds(state: Manifest, file: RepoFile) -> bool:
    entry = state.files.get(file.path)
    return entry is not None and entry.signature is not None and entry.digests.fit(file)
