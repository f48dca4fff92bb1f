"""The store: which directory is whose, in all the places where models are kept.

The places are layers: each is read, what is new goes into the first. A root that somebody named wins over
every other: what those have is linked into it.

One directory holds one repository's default branch, as last fetched, whatever the endpoint of a hub that
everybody knows; a revision that is asked for by another name has its own beside it. What older tools left
without records belongs to the first model that asks for it by name; a repository whose name another one has,
or that is of a hub which a configuration file names, gets a suffix.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from hubferry.cache import foreign
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import disk, disk_errors, leads_to_directory
from hubferry.cache.layers import only_read
from hubferry.cache.letter_case import tells_case_apart
from hubferry.cache.names import NOWHERE, RECORDS, Place, directory_names, room_in
from hubferry.cache.roots import all_roots, create_root, default_root
from hubferry.errors import DiskError, UsageError
from hubferry.i18n import _
from hubferry.paths import PATH_BYTES
from hubferry.places import is_directory, nearest_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hubferry.model import RepoRef

__all__ = ["Cache", "ModelDirectory", "free_bytes"]


class Cache:
    """All models of one root, and those that other roots of this machine already hold."""

    def __init__(self, root: Path | None = None, *, roots: Sequence[Path] | None = None) -> None:
        """Use `root` (else the default) for new models, and search it and the other `roots`, in order.

        `roots` defaults to every place where this or an older tool keeps models. A model is used in whichever
        of them has it; with `root` alone only there, and the others give their files.
        """
        self._chosen = root
        found: tuple[Path, ...] = ()
        with suppress(DiskError):  # no home, and nothing else: then there is no model
            found = all_roots(root) if roots is None else tuple(roots)
        self.roots: tuple[Path, ...] = found if root is None else tuple(dict.fromkeys((root, *found)))
        self._layers = self.roots if root is None or roots is not None else (root,)

    @property
    def root(self) -> Path:
        """The place of new models.

        Raises:
            DiskError: There is no home, and nothing else is named.
        """
        return self._chosen if self._chosen is not None else default_root()

    def find(self, ref: RepoRef) -> ModelDirectory | None:
        """Return the directory of a repository's revision if any root has one; nothing is created."""
        return next(iter(self.find_all(ref)), None)

    def find_all(self, ref: RepoRef) -> list[ModelDirectory]:
        """Return the directory of a repository's revision in each root that has one; nothing is created."""
        found: list[ModelDirectory] = []
        for root in self._layers:
            with suppress(DiskError):  # a place that may not be read holds nothing for us
                found += islice(_candidates(root, ref), 1)
        return found

    def at(self, directory: Path, ref: RepoRef) -> ModelDirectory:
        """Return this very directory for a repository, whatever the revision; nothing is created.

        Raises:
            UsageError: It holds another repository.
        """
        model = ModelDirectory(directory, replace(ref, revision=None))
        if model.manifest is not None and not model.manifest.belongs_to(ref):
            raise _taken(directory)
        return model

    def open(self, ref: RepoRef, *, directory: Path | None = None) -> ModelDirectory:
        """Return the directory of a repository's revision, created where it is missing.

        Args:
            ref: See `Manifest.belongs_to` for what makes two of them one.
            directory: This very place instead of one named after the repository, whatever the revision.

        Raises:
            UsageError: `directory` holds another repository.
            DiskError: The directory cannot be made.
        """
        if directory is not None:
            return self._open_at(directory, ref)
        for found in self.find_all(ref):
            if not only_read(found.path) and _claims(found, ref):
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
            names: list[str] = []
            with suppress(OSError):
                names = [entry.name for entry in disk.scandir(root) if leads_to_directory(entry)]
            for name in names:
                if name.split("@")[0] in plain:
                    with suppress(DiskError):  # one that may not be read hides none of the others
                        found.append(ModelDirectory(root / name, ref))
        return [one for one in found if one.manifest is not None and one.manifest.belongs_to(ref)]

    def place_for(self, ref: RepoRef, directory: Path | None = None) -> Place:
        """Return what names the directory of a revision can hold, or `directory`; nothing is created."""
        named = [root / directory_names(ref)[-1] for root in self.roots]
        places = [directory] if directory is not None else named
        if not places:  # no home: nothing is going to be written
            return NOWHERE
        longest = max(places, key=lambda place: len(os.path.abspath(place)))  # noqa: PTH100 - as it is written
        room = room_in(os.path.abspath(longest), longest=_longest_path(longest.parent))  # noqa: PTH100
        return Place(self.tells_case_apart, room)

    def tells_case_apart(self) -> bool:
        """Return whether two names that differ in case alone are two files in the root."""
        return tells_case_apart(nearest_directory(self.root))

    def _open_at(self, directory: Path, ref: RepoRef) -> ModelDirectory:
        model = self.at(directory, ref)
        if not model.claim():
            raise _taken(directory)
        return model


def _longest_path(root: Path) -> int:
    """Return how many bytes a whole path may have, the final NUL among them."""
    with suppress(OSError, ValueError, AttributeError):  # Windows has no such call
        return max(os.pathconf(nearest_directory(root), "PC_PATH_MAX"), 0) or PATH_BYTES
    return PATH_BYTES


def free_bytes(path: Path) -> int:
    """Return the bytes that may still be written where `path` is, or would be."""
    with disk_errors(path):
        return disk.free(nearest_directory(path))


def _candidates(root: Path, ref: RepoRef) -> Iterator[ModelDirectory]:
    """Yield the directories in `root` that are those of `ref`: by record first, then by name."""
    names = directory_names(ref)
    models = [
        ModelDirectory(root / name, ref)
        for name in names
        if is_directory(root / name) and not foreign.leads_away(root / name)
    ]
    yield from (model for model in models if model.manifest is not None and model.manifest.is_for(ref))
    yield from (model for model in models if model.manifest is None and not _is_somebodys(model, ref))


def _claims(model: ModelDirectory, ref: RepoRef) -> bool:
    """Make a directory that of a revision unless it is known; return whether it is that."""
    return model.claim() and model.manifest is not None and model.manifest.is_for(ref)


def _is_somebodys(model: ModelDirectory, ref: RepoRef) -> bool:
    """Return whether a directory without records holds something that cannot be `ref`.

    The tools that kept no records copied models only, and knew no hub by a name of one's own.
    """
    if (ref.repo_type == "model" and ref.home is None) or not model.path.is_dir():
        return False
    return any(entry.name != RECORDS for entry in disk.scandir(model.path))


def _taken(path: Path) -> UsageError:
    message = _("{path} holds another repository")
    return UsageError(
        message.format(path=path), side="cache", path=str(path), hint=_("choose another directory")
    )
