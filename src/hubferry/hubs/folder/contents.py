"""What is really in a destination folder: regular files, and links to some, by content.

Nothing else is opened. A linked folder is not entered, `.git` and our own notes are nobody's business, and
what cannot be read is listed without a digest: only who wants to replace it has to care.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.hubs.folder.names import KEPT_OUT
from hubferry.hubs.folder.source import OWN_FOLDER
from hubferry.model import LARGEST_IN_GIT, Digests, RepoFile
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRAY = re.compile(r"\.hubferry-[0-9a-f]{16}\.part")
"""A file that a run was writing beside its target when it was killed."""
_PIECE = 1 << 20
_HASHED_AT_ONCE = 4
_SETTLED = 2 * 10**9
"""Nanoseconds after which a file's times tell it apart from what is written to it now."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a look into a folder found.

    Attributes:
        files: Sorted by path; without a digest where the content cannot be read.
        closed: Folders, by path, that cannot be listed.
    """

    files: tuple[RepoFile, ...] = ()
    closed: frozenset[str] = frozenset()

    @property
    def commit(self) -> str:
        """A digest of paths and contents."""
        digest = hashlib.sha256()
        for file in self.files:
            line = f"{file.path}\0{file.size}\0{file.sha256 or ''}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What changes whenever somebody writes to a file."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Reader:
    """Look into one folder, as often as one wants; content that is provably the same is read once."""

    def __init__(self, root: Path) -> None:
        """Prepare; nothing is read yet."""
        self._root = root
        self._known: dict[_Stamp, Digests] = {}

    async def look(self) -> Contents:
        """List the folder and hash its files."""
        gate = asyncio.Semaphore(_HASHED_AT_ONCE)
        closed: set[str] = set()

        async def one(path: str) -> RepoFile | None:
            async with gate:
                return await asyncio.to_thread(self._file, path)

        paths = await asyncio.to_thread(lambda: sorted(_walk(self._root, closed)))
        found = await run_all(*(one(path) for path in paths))
        return Contents(tuple(file for file in found if file is not None), frozenset(closed))

    def _file(self, path: str) -> RepoFile | None:
        """Hash a file; None where it has gone since it was seen."""
        place = self._root / path
        try:
            began, stamp = time.time_ns(), _stamp(place.stat())
        except OSError:
            return None
        digests = self._known.get(stamp)
        if digests is None:
            try:
                digests = _hash(place, stamp.size)
                if _stamp(place.stat()) == stamp and stamp.changed < began - _SETTLED:
                    self._known[stamp] = digests
            except FileNotFoundError:
                return None
            except OSError:
                return RepoFile(path, stamp.size)
        return RepoFile(path, digests.size, sha256=digests.sha256, git_sha1=digests.git_sha1)


def _stamp(found: os.stat_result) -> _Stamp:
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _walk(root: Path, closed: set[str]) -> Iterator[str]:
    """Yield the files below `root`; name in `closed` the folders that cannot be listed."""
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            with os.scandir(root / below) as entries:
                found = list(entries)
        except OSError:
            closed.add(below)
            continue
        for entry in found:
            if (
                entry.name == KEPT_OUT
                or STRAY.fullmatch(entry.name)
                or (not below and entry.name == OWN_FOLDER)
            ):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif _is_file(entry):
                yield path


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link into a folder that is closed to us
        return False


def _hash(path: Path, size: int) -> Digests:
    """Hash a file as hubs list it; those that some hub may keep in git as git does, too."""
    sha256, count = hashlib.sha256(), 0
    small = size <= LARGEST_IN_GIT
    sha1 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if small else None
    with path.open("rb", 0) as stream:
        while piece := stream.read(_PIECE):
            sha256.update(piece)
            if sha1 is not None:
                sha1.update(piece)
            count += len(piece)
    git_sha1 = sha1.hexdigest() if sha1 is not None and count == size else None
    return Digests(count, sha256.hexdigest(), git_sha1)
