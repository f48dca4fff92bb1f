"""Take in a folder by hand: hash its files, share them with the cache, and remember what they are.

Where another tool noted what a file has to be (Hugging Face's cache and its `local_dir` notes), that is held
against it; a file that is something else is named and left out. The folder itself is never altered, unless it
lies in a cache of ours under the repository's own name: then it is recorded where it is.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import inventory, placing
from hubferry.cache.adopt import FolderMetadata, folder_metadata
from hubferry.cache.check import snapshot_of
from hubferry.cache.disk import disk_errors
from hubferry.cache.manifest import Entry, Stored
from hubferry.errors import IntegrityError, NotFoundError
from hubferry.i18n import _
from hubferry.model import RepoFile, Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hubferry.cache.directory import ModelDirectory
    from hubferry.cache.store import Cache
    from hubferry.model import RepoRef

_HUB_FOLDER = re.compile(r"models--(?:(?P<owner>[^/]+?)--)?(?P<name>[^/]+)")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256_LENGTH = 64
_TOGETHER = 512
_TOGETHER_BYTES = 64 * 1024 * 1024
"""Most files, and about as many bytes, that are taken in at one go; a person sees how far it is."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What was taken in.

    Attributes:
        path: The model's directory in the cache.
        files: How many files.
        size: Their bytes.
        commit: The commit that every file's note names, None where they do not all name one.
        refused: Paths whose content is not what their own note says, or whose names are not safe.
    """

    path: Path
    files: int
    size: int
    commit: str | None = None
    refused: tuple[str, ...] = ()


def repository_of(folder: Path) -> str | None:
    """Return the repository that a folder of a hub's own cache belongs to, by its name."""
    for place in (folder, *folder.parents[:2]):
        match = _HUB_FOLDER.fullmatch(place.name)
        if match:
            return "/".join(filter(None, (match["owner"], match["name"])))
    return None


def take_in(
    folder: Path,
    ref: RepoRef,
    cache: Cache,
    *,
    on_file: Callable[[str], None] = lambda _path: None,
    on_copy: Callable[[Path], None] = lambda _path: None,
) -> TakenIn:
    """Take the files of `folder` into the directory of `ref`.

    Args:
        folder: Files of the repository, or a hub's own cache of it.
        ref: Whose files they are.
        cache: Where they go.
        on_file: Called with each path that was taken in.
        on_copy: Called with each file that could not be shared and was copied.

    Raises:
        NotFoundError: The folder is not there, or empty.
        DiskError: It cannot be read, or the cache not written.
        LockedError: A running transfer holds the model.
    """
    if not folder.is_dir():
        raise NotFoundError(
            _("there is no folder {path}").format(path=folder), side="cache", path=str(folder)
        )
    with disk_errors(folder):
        folder = snapshot_of(folder)
        paths = sorted(inventory.take(folder).files)
    if not paths:
        raise NotFoundError(_("{path} has no files").format(path=folder), side="cache", path=str(folder))
    notes = _notes(folder, paths)
    model = cache.open(ref)
    with model.hold(wait=0):
        taken, refused = _take_all(model, folder, paths, notes, on_file, on_copy)
        commits = {notes[file.path].commit if file.path in notes else "" for file in taken}
        commit = commits.pop() if len(commits) == 1 and not refused else None
        if commit:
            model.finish(Revision(ref, commit), taken, whole=False)
    return TakenIn(
        model.path, len(taken), sum(file.size or 0 for file in taken), commit or None, tuple(refused)
    )


def _take_all(  # the two callbacks belong to the caller
    model: ModelDirectory,
    folder: Path,
    paths: list[str],
    notes: dict[str, FolderMetadata],
    on_file: Callable[[str], None],
    on_copy: Callable[[Path], None],
) -> tuple[list[RepoFile], list[str]]:
    if model.path.resolve() == folder.resolve():
        coming = _all_in_place(model, paths, notes)
    else:
        coming = _all_elsewhere(model, folder, paths, notes, on_copy)
    taken: list[RepoFile] = []
    for file in coming:
        taken.append(file)
        on_file(file.path)
    there = {file.path for file in taken}
    return taken, [path for path in paths if path not in there]


def _all_in_place(
    model: ModelDirectory, paths: list[str], notes: dict[str, FolderMetadata]
) -> Iterator[RepoFile]:
    for path in paths:
        with suppress(IntegrityError):
            if (file := _in_place(model, path, notes)) is not None:
                yield file


def _all_elsewhere(
    model: ModelDirectory,
    folder: Path,
    paths: list[str],
    notes: dict[str, FolderMetadata],
    on_copy: Callable[[Path], None],
) -> Iterator[RepoFile]:
    """Share files with the cache, small ones together: the disk is then waited for once."""
    waiting: list[RepoFile] = []
    size = 0
    for path in paths:
        with suppress(IntegrityError):
            model.target(path)
            file = _described(folder, path, notes)
            if file is None:
                continue
            waiting.append(file)
            size += placing.size_of(folder / path)
        if len(waiting) >= _TOGETHER or size >= _TOGETHER_BYTES:
            yield from _elsewhere(model, folder, waiting, on_copy)
            waiting, size = [], 0
    yield from _elsewhere(model, folder, waiting, on_copy)


def _in_place(model: ModelDirectory, path: str, notes: dict[str, FolderMetadata]) -> RepoFile | None:
    """Record a file that is where it belongs already."""
    place = model.target(path)
    with disk_errors(place):
        hashed = placing.hash_path(place, git=True)
    if hashed is None:
        return None
    digests = hashed.digests
    file = RepoFile(path, digests.size, digests.sha256, digests.git_sha1)
    if path in notes and not digests.fit(_noted(path, notes[path])):
        return None
    model.record([Stored(path, Entry(digests.size, digests.sha256, digests.git_sha1, hashed.signature))])
    return file


def _described(folder: Path, path: str, notes: dict[str, FolderMetadata]) -> RepoFile | None:
    """Return what a file is by its note; without one it is read to learn that."""
    if path in notes:
        return _noted(path, notes[path])
    origin = folder / path
    with disk_errors(origin):
        hashed = placing.hash_path(origin, git=False, follow=True)
    return None if hashed is None else RepoFile(path, hashed.digests.size, hashed.digests.sha256)


def _elsewhere(
    model: ModelDirectory, folder: Path, files: list[RepoFile], on_copy: Callable[[Path], None]
) -> Iterator[RepoFile]:
    known = {file.path: digests for file in files if (digests := model.known(file)) is not None}
    lacking = [(file, folder / file.path) for file in files if file.path not in known]
    known |= model.adopt_many(lacking, on_copy=on_copy)
    for file in files:
        if (digests := known.get(file.path)) is not None:
            yield RepoFile(file.path, digests.size, digests.sha256, digests.git_sha1)


def _noted(path: str, note: FolderMetadata) -> RepoFile:
    is_sha256 = len(note.digest) == _SHA256_LENGTH
    return RepoFile(
        path, None, note.digest if is_sha256 else None, None if is_sha256 else note.digest, lfs=is_sha256
    )


def _notes(folder: Path, paths: list[str]) -> dict[str, FolderMetadata]:
    """Return what other tools noted about files: in `.cache/huggingface`, or as the name of a linked blob."""
    notes = {path: note for path, note in folder_metadata(folder).items() if _DIGEST.fullmatch(note.digest)}
    for path in paths:
        place = folder / path
        if place.is_symlink():
            digest = place.readlink().name  # one step only: with Xet the blob is itself a link
            if _DIGEST.fullmatch(digest):
                notes[path] = FolderMetadata(folder.name, digest)
    return notes
