"""Take in many files that are elsewhere on this machine together: all contents, then all names.

One content that gets many names is hashed once and waited for once; what cannot be shared is copied.
"""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import placing
from hubferry.cache.disk import disk
from hubferry.cache.manifest import Entry, Signature, Stored
from hubferry.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from hubferry.cache.directory import ModelDirectory
    from hubferry.model import Digests, RepoFile


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is wanted, where its content may be, and the new name under which that is brought in."""

    file: RepoFile
    origin: Path
    temporary: Path


def origin_of(file: RepoFile, origin: Path) -> Path | None:
    """Return the file itself that `origin` leads to, None where it cannot be the content of `file`."""
    try:
        origin = origin.resolve()
        status = disk.stat(origin)
    except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle, before Python 3.13
        return None
    if not stat.S_ISREG(status.st_mode) or file.size not in (None, status.st_size):
        return None
    return origin if os.access(origin, os.R_OK) else None


def bring(
    wanted: Sequence[Wanted],
    device: int,
    prove: Callable[[RepoFile, Path], placing.Hashed | None],
    on_copy: Callable[[Path], None],
) -> list[tuple[Wanted, placing.Hashed]]:
    """Give each content that is what is wanted its temporary name, durable; return which those are.

    No other name stays, unless this fails. An origin that its owner takes away meanwhile is none.

    Args:
        wanted: In any order; an origin may occur many times.
        device: Of the filesystem that the temporary names are on.
        prove: Tells what a file is, from records or by reading it; None where that is impossible.
        on_copy: Told the origin of each file that could not be shared.
    """
    near = [one for one in wanted if _device_of(one.origin) == device]
    proven = _proven(near, prove)
    shared = _settled(_linked(proven))
    done = {one.temporary for one, _hashed in shared}
    hopeless = {one.temporary for one in near} - {one.temporary for one, _hashed in proven}
    rest = [one for one in wanted if one.temporary not in done and one.temporary not in hopeless]
    rest = [one for one in rest if _device_of(one.origin) is not None]
    for one in rest:
        on_copy(one.origin)
    copies = [(one.origin, one.temporary) for one in rest]
    hashed = placing.copy_all(copies, git=any(one.file.may_be_in_git for one in rest))
    for one, what in zip(rest, hashed, strict=True):
        if what is not None and what.digests.fit(one.file):
            shared.append((one, what))
        elif what is not None:
            disk.unlink(one.temporary)
    return shared


def _device_of(origin: Path) -> int | None:
    """Return the filesystem that a file is on, None where it is there no more."""
    try:
        return disk.stat(origin).st_dev
    except (FileNotFoundError, NotADirectoryError):
        return None


def _proven(
    wanted: Iterable[Wanted], prove: Callable[[RepoFile, Path], placing.Hashed | None]
) -> list[tuple[Wanted, placing.Hashed]]:
    """Keep what is proven to be the content of its file, asking once for each content of each origin."""
    asked: dict[tuple[Path, str | None, str | None], placing.Hashed | None] = {}
    found = []
    for one in wanted:
        key = (one.origin, one.file.sha256, one.file.git_sha1)
        if key not in asked:
            asked[key] = prove(one.file, one.origin)
        hashed = asked[key]
        if hashed is not None and hashed.digests.fit(one.file):
            found.append((one, hashed))
    return found


def _linked(proven: Iterable[tuple[Wanted, placing.Hashed]]) -> list[tuple[Wanted, placing.Hashed]]:
    """Give each content its temporary name by link, where the filesystem can and its readers still could."""
    linked = []
    for one, hashed in proven:
        try:
            if placing.keeps_a_group_out(one.origin, one.temporary.parent):
                continue
            disk.link(one.origin, one.temporary)
        except OSError as error:
            if not placing.cannot_link(error) and _device_of(one.origin) is not None:
                raise
        else:
            linked.append((one, hashed))
    return linked


def _settled(linked: Sequence[tuple[Wanted, placing.Hashed]]) -> list[tuple[Wanted, placing.Hashed]]:
    """Make each content durable once, however many names it got; take back what is not what was hashed."""
    first: dict[Signature, Path] = {}
    for one, hashed in linked:
        first.setdefault(hashed.signature, one.temporary)
    with ThreadPoolExecutor(placing.FSYNC_THREADS) as threads:
        settled = dict(zip(first, threads.map(placing.settle_shared, first.values()), strict=True))
    kept = []
    for one, hashed in linked:
        if settled[hashed.signature] == hashed.signature == Signature.of(disk.lstat(one.temporary)):
            kept.append((one, hashed))
        else:
            disk.unlink(one.temporary)
    return kept


class Proven:
    """What a directory holds proven, to be found by path or by digest."""

    def __init__(self, origin: ModelDirectory) -> None:
        self._origin = origin
        known = origin.manifest
        self._files = {} if known is None else {path: one for path, one in known.files.items() if one.here}
        self._paths: dict[str | None, str] = {}
        for path, entry in self._files.items():
            self._paths[entry.git_sha1] = self._paths[entry.sha256] = path

    def link(self, file: RepoFile, temporary: Path) -> Stored | None:
        """Give the content of `file` a second name if it is here, and still what it was."""
        for path in (file.path, self._paths.get(file.sha256 or file.git_sha1)):
            entry = self._files.get(path or "")
            if path is None or entry is None or entry.signature is None or not entry.digests.fit(file):
                continue
            with suppress(IntegrityError, FileNotFoundError, NotADirectoryError):
                disk.link(self._origin.target(path), temporary)
                if Signature.of(disk.lstat(temporary)) == entry.signature:
                    return stored(file.path, entry.digests, entry.signature)
                disk.unlink(temporary)
        return None


def stored(path: str, digests: Digests, signature: Signature) -> Stored:
    """Return the record of a file that was verified."""
    return Stored(path, Entry(digests.size, digests.sha256, digests.git_sha1, signature))
