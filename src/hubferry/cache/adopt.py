"""Find where on this machine the bytes of wanted files already are. Nothing is read but names and records.

A file's own name speaks for most candidates: Hugging Face's cache calls a blob by its sha256, or its git id.
For some only path and size do. Either way `ModelDirectory.adopt` hashes a file before it counts, and alters
no other cache.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.cache import manifest
from hubferry.cache.disk import disk, leads_to_directory, walk
from hubferry.cache.manifest import Signature
from hubferry.cache.names import RECORDS, plain_names
from hubferry.places import expanded_if_known, is_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from hubferry.model import RepoFile, RepoRef

_METADATA = Path(".cache/huggingface/download")
_NOTE = ".metadata"
_METADATA_LINES = 3
_LARGEST_NOTE = 64 * 1024
"""Bytes of a note of another tool; theirs have some hundred."""


def find(
    files: Sequence[RepoFile], ref: RepoRef, roots: Sequence[Path], *, exclude: Collection[Path] = ()
) -> dict[str, Path]:
    """Return where content that may be that of `files` is, by path; the most trustworthy place of each.

    Args:
        files: What is wanted.
        ref: Whose files they are; folders without digests are searched under its name only.
        roots: Our own caches, searched whole by digest.
        exclude: Directories whose files are no candidates, such as the one that wants them.
    """
    search = _Search(files, exclude)
    for look in _places(search, ref, roots):
        if search.is_over:
            break
        look()
    return search.found


def _places(search: _Search, ref: RepoRef, roots: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Yield what asks one place after the other, the most trustworthy first."""
    for directory in _recorded(roots):
        yield partial(search.by_record, directory)
    for hub in huggingface_caches():
        yield partial(search.by_shared_blob, hub)
        for blobs in _blob_directories(hub, ref):
            yield partial(search.by_digest, blobs)
    for folder in _folders(ref, roots):
        yield partial(search.by_place, folder)


@dataclass(frozen=True, slots=True)
class FolderMetadata:
    """What `huggingface_hub` notes beside a file that it downloaded into a folder.

    Attributes:
        commit: The commit it came from.
        digest: Its ETag: sha256 of an LFS file, git's blob id of another.
    """

    commit: str
    digest: str


def folder_metadata(folder: Path) -> dict[str, FolderMetadata]:
    """Read the notes in a `local_dir` folder, by the file's path; strange ones are left out.

    Each is `.cache/huggingface/download/<path>.metadata`, of three lines: commit, ETag, time
    (huggingface_hub/_local_folder.py).
    """
    found: dict[str, FolderMetadata] = {}
    top = folder / _METADATA
    with suppress(OSError):
        for place, entries in walk(top):
            for entry in entries:
                path = (place.relative_to(top) / entry.name.removesuffix(_NOTE)).as_posix()
                noted = _noted(place / entry.name) if entry.name.endswith(_NOTE) else None
                if noted is not None:
                    found[path] = noted
    return found


def _noted(place: Path) -> FolderMetadata | None:
    try:
        lines = (disk.read_record(place, _LARGEST_NOTE) or b"").decode().split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return FolderMetadata(lines[0].strip(), lines[1].strip()) if len(lines) >= _METADATA_LINES else None


class _Search:
    """Collect the first place found for each wanted file; the surest kinds of place are asked first.

    However many files share a content, and however often it is there, each file and each place is looked at
    once: a content that was found is not wanted any more.
    """

    def __init__(self, files: Sequence[RepoFile], exclude: Collection[Path]) -> None:
        self.found: dict[str, Path] = {}
        self._files = files
        self._exclude = [path.resolve() for path in exclude]
        self._wanted: dict[str, dict[int | None, list[str]]] = {}
        for file in files:
            for digest in {file.sha256, file.git_sha1} - {None, ""}:
                sizes = self._wanted.setdefault(str(digest), {})
                sizes.setdefault(file.size, []).append(file.path)

    @property
    def is_over(self) -> bool:
        """Whether all that is wanted was found."""
        return len(self.found) >= len(self._files)

    def by_record(self, directory: Path) -> None:
        """Take what a directory's manifest says, of files that still look like it."""
        if self._excluded(directory):
            return
        try:
            known = manifest.load(directory / RECORDS)
        except OSError:
            return
        for path, entry in known.files.items() if known is not None else ():
            for digest in (entry.sha256, entry.git_sha1):
                if digest and digest in self._wanted and entry.signature == _signature(directory / path):
                    self._take(digest, directory / path)

    def by_digest(self, blobs: Path) -> None:
        """Take files whose name is a wanted digest."""
        try:
            names = os.listdir(blobs)  # noqa: PTH208 - names are all that is needed, of very many files
        except OSError:
            return
        for name in names:
            if name in self._wanted:
                self._take(name, blobs / name)

    def by_shared_blob(self, hub: Path) -> None:
        """Take files from the store that Xet's files share: `blobs/<two digits>/<xet hash>`."""
        shared = hub / "blobs"
        if not is_directory(shared):
            return
        for file in self._missing():
            name = file.xet_hash or ""
            if name.isalnum():
                self._take_file(file, shared / name[:2] / name)

    def by_place(self, folder: Path) -> None:
        """Take files of the same path and size."""
        if not self._excluded(folder) and is_directory(folder):
            for file in self._missing():
                if ".." not in file.path.split("/") and not file.path.startswith("/"):
                    self._take_file(file, folder / file.path)

    def _missing(self) -> list[RepoFile]:
        return [file for file in self._files if file.path not in self.found]

    def _take(self, digest: str, place: Path) -> None:
        """Let `place` be where each wanted file of this digest is that has its size."""
        size = _size(place)
        if size is None:
            return
        sizes = self._wanted[digest]
        for path in (*sizes.pop(size, ()), *sizes.pop(None, ())):
            self.found.setdefault(path, place)
        if not sizes:
            del self._wanted[digest]

    def _take_file(self, file: RepoFile, place: Path) -> None:
        size = _size(place)
        if size is not None and file.size in (None, size):
            self.found[file.path] = place

    def _excluded(self, directory: Path) -> bool:
        return bool(self._exclude) and directory.resolve() in self._exclude


def _size(place: Path) -> int | None:
    """Return the bytes of a regular file; None for anything else, or nothing."""
    try:
        status = disk.stat(place)
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _signature(path: Path) -> Signature | None:
    try:
        return Signature.of(disk.lstat(path))
    except OSError:
        return None


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        return disk.scandir(directory)
    except OSError:
        return []


def _recorded(roots: Iterable[Path]) -> Iterator[Path]:
    """Yield every model's directory in our own roots that has records; a link is not followed."""
    for root in roots:
        for entry in _entries(root):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield root / entry.name


def _directories(candidates: Iterable[Path | None]) -> list[Path]:
    """Keep what exists, once each."""
    there = (path for path in reversed(list(candidates)) if path is not None and is_directory(path))
    found = {path.resolve(): path for path in there}
    return list(reversed(found.values()))


def huggingface_caches() -> list[Path]:
    """Return the Hugging Face hub caches of this machine, as huggingface_hub/constants.py finds them."""
    environment = os.environ
    candidates = [environment.get(name) for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")]
    if environment.get("HF_HOME"):
        candidates.append(f"{environment['HF_HOME']}/hub")
    if environment.get("XDG_CACHE_HOME"):
        candidates.append(f"{environment['XDG_CACHE_HOME']}/huggingface/hub")
    candidates.append("~/.cache/huggingface/hub")
    return _directories(expanded_if_known(name) for name in candidates if name)


def _blob_directories(hub: Path, ref: RepoRef) -> list[Path]:
    """Return every repository's blobs, those of `ref` first: a fork may have the very same files."""
    own = f"{ref.repo_type}s--{ref.repo_id.replace('/', '--')}"
    names = [entry.name for entry in _entries(hub) if "--" in entry.name]
    return [hub / name / "blobs" for name in sorted(names, key=lambda name: (name != own, name))]


def _folders(ref: RepoRef, roots: Sequence[Path]) -> list[Path]:
    """Return the folders that are this repository's by their name, and say nothing about digests."""
    if ref.hub == "dir":
        return []
    named = [root / name for root in roots for name in plain_names(ref)]
    candidates = [path for path in named if not (path / RECORDS / manifest.MANIFEST).exists()]
    own = f"{ref.repo_type}s--{ref.repo_id.replace('/', '--')}"
    for hub in huggingface_caches():
        candidates += _snapshots(hub / own)
    for base in modelscope_caches():
        candidates += _modelscope_folders(base, ref)
    return _directories(candidates)


def modelscope_caches() -> list[Path]:
    """Return the ModelScope caches of this machine, in each of the layouts that their tools had."""
    base = expanded_if_known(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope")
    return [] if base is None else _directories((base, base / "hub"))


def _modelscope_folders(base: Path, ref: RepoRef) -> Iterator[Path]:
    """Yield where ModelScope's tools keep a repository: owner--name with snapshots, or owner/name.

    Dots of the name were once written `___` (modelscope_hub/_download.py).
    """
    kind = f"{ref.repo_type}s"
    flat = ref.repo_id.replace("/", "--")
    yield from _snapshots(base / kind / flat)
    yield from _snapshots(base / f"{kind}--{flat}")
    owner, _slash, name = ref.repo_id.rpartition("/")
    for spelling in (name, name.replace(".", "___")):
        yield base / kind / owner / spelling
        yield base / owner / spelling


def _snapshots(repository: Path) -> list[Path]:
    """Return a repository's snapshots, the latest first."""
    found: list[tuple[int, Path]] = []
    for entry in filter(leads_to_directory, _entries(repository / "snapshots")):
        with suppress(OSError):  # its own tool removed it while this looked
            found.append((entry.stat().st_mtime_ns, repository / "snapshots" / entry.name))
    return [place for _changed, place in sorted(found, key=lambda one: one[0], reverse=True)]
