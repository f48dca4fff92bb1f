"""Take in a folder by hand: hash its files, share them with the cache, and remember what they are.

Where another tool noted what a file has to be (Hugging Face's cache and its `local_dir` notes), that is held
against it; a file that is something else is named and left out. The folder itself is never altered, unless it
lies in a cache of ours under the repository's own name: then it is recorded where it is.
"""

from __future__ import annotations

import re
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
    from collections.abc import Callable
    from pathlib import Path

    from hubferry.cache.directory import ModelDirectory
    from hubferry.cache.store import Cache
    from hubferry.model import RepoRef

_HUB_FOLDER = re.compile(r"models--(?:(?P<owner>[^/]+?)--)?(?P<name>[^/]+)")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256_LENGTH = 64


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
    in_place = model.path.resolve() == folder.resolve()
    taken: list[RepoFile] = []
    refused: list[str] = []
    for path in paths:
        try:
            file = (
                _in_place(model, path, notes) if in_place else _elsewhere(model, folder, path, notes, on_copy)
            )
        except IntegrityError:
            file = None
        if file is None:
            refused.append(path)
        else:
            taken.append(file)
            on_file(path)
    return taken, refused


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


def _elsewhere(
    model: ModelDirectory,
    folder: Path,
    path: str,
    notes: dict[str, FolderMetadata],
    on_copy: Callable[[Path], None],
) -> RepoFile | None:
    """Share a file with the cache; without a note it is read to learn what it is."""
    origin = folder / path
    if path in notes:
        file = _noted(path, notes[path])
    else:
        with disk_errors(origin):
            hashed = placing.hash_path(origin, git=False, follow=True)
        if hashed is None:
            return None
        file = RepoFile(path, hashed.digests.size, hashed.digests.sha256)
    digests = model.known(file) or model.adopt(file, origin, on_copy=on_copy)
    return None if digests is None else RepoFile(path, digests.size, digests.sha256, digests.git_sha1)


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
