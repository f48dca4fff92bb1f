"""The store: which directory is whose, in all the places where models are kept.

One directory holds one repository's default branch, as last fetched, whatever the endpoint; a revision that
is asked for by another name has its own beside it. What older tools left without records belongs to the first
model that asks for it by name; a repository whose name another one has gets a suffix.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.cache import foreign
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import disk, disk_errors, existing, tells_case_apart
from hubferry.cache.names import RECORDS, directory_names
from hubferry.cache.roots import all_roots, create_root, default_root
from hubferry.errors import DiskError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hubferry.model import RepoRef

__all__ = ["Cache", "ModelDirectory", "free_bytes"]


class Cache:
    """All models of one root, and those that other roots of this machine already hold."""

    def __init__(self, root: Path | None = None, *, roots: Sequence[Path] | None = None) -> None:
        """Use `root` (else the default) for new models, and search it and the other `roots`, in order.

        `roots` defaults to every place where this or an older tool keeps models.
        """
        self.root = root if root is not None else default_root()
        others = all_roots(self.root) if roots is None else roots
        self.roots: tuple[Path, ...] = tuple(dict.fromkeys((self.root, *others)))

    def find(self, ref: RepoRef) -> ModelDirectory | None:
        """Return the directory of a repository's revision if any root has one; nothing is created."""
        for root in self.roots:
            with suppress(DiskError):  # a place that may not be read holds nothing for us
                for model in _candidates(root, ref):
                    return model
        return None

    def open(self, ref: RepoRef, *, directory: Path | None = None) -> ModelDirectory:
        """Return the directory of a repository's revision, created where it is missing.

        Args:
            ref: Its endpoint does not matter.
            directory: This very place instead of one named after the repository, whatever the revision.

        Raises:
            UsageError: `directory` holds another repository.
            DiskError: The directory cannot be made.
        """
        if directory is not None:
            return self._open_at(directory, ref)
        found = self.find(ref)
        if found is not None and os.access(found.path, os.W_OK) and _claims(found, ref):
            return found
        create_root(self.root)
        best, *_older, last = directory_names(ref)
        for name in (best, last):
            if foreign.leads_away(self.root / name):
                continue
            model = ModelDirectory(self.root / name, ref)
            if (model.manifest is not None or not _is_somebodys(model, ref)) and _claims(model, ref):
                return model
        raise _taken(self.root / last)

    def all_of(self, ref: RepoRef) -> list[ModelDirectory]:
        """Return every directory that is known to be of a repository, whatever its revision."""
        plain = directory_names(replace(ref, revision=None))
        found: list[ModelDirectory] = []
        for root in self.roots:
            with suppress(DiskError, OSError):
                names = [entry.name for entry in disk.scandir(root) if entry.is_dir()]
                models = [ModelDirectory(root / name, ref) for name in names if name.split("@")[0] in plain]
                found += [one for one in models if one.manifest is not None and one.manifest.belongs_to(ref)]
        return found

    def tells_case_apart(self) -> bool:
        """Return whether two names that differ in case alone are two files in the root."""
        return tells_case_apart(existing(self.root))

    def _open_at(self, directory: Path, ref: RepoRef) -> ModelDirectory:
        model = ModelDirectory(directory, replace(ref, revision=None))
        if not model.claim():
            raise _taken(directory)
        return model


def free_bytes(path: Path) -> int:
    """Return the bytes that may still be written where `path` is, or would be."""
    with disk_errors(path):
        return disk.free(existing(path))


def _candidates(root: Path, ref: RepoRef) -> Iterator[ModelDirectory]:
    """Yield the directories in `root` that are those of `ref`: by record first, then by name."""
    names = directory_names(ref)
    models = [
        ModelDirectory(root / name, ref)
        for name in names
        if (root / name).is_dir() and not foreign.leads_away(root / name)
    ]
    yield from (model for model in models if model.manifest is not None and model.manifest.is_for(ref))
    yield from (model for model in models if model.manifest is None and not _is_somebodys(model, ref))


def _claims(model: ModelDirectory, ref: RepoRef) -> bool:
    """Make a directory that of a revision unless it is known; return whether it is that."""
    return model.claim() and model.manifest is not None and model.manifest.is_for(ref)


def _is_somebodys(model: ModelDirectory, ref: RepoRef) -> bool:
    """Return whether a directory without records holds something that cannot be `ref`.

    The tools that kept no records copied models only.
    """
    if ref.repo_type == "model" or not model.path.is_dir():
        return False
    return any(entry.name != RECORDS for entry in disk.scandir(model.path))


def _taken(path: Path) -> UsageError:
    message = _("{path} holds another repository")
    return UsageError(
        message.format(path=path), side="cache", path=str(path), hint=_("choose another directory")
    )
