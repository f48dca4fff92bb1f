"""A file that the hub edits by itself: ours with lines added is as good as ours.

Hugging Face adds a line to `.gitattributes` for each LFS file that none of its lines covers. Whoever fought
that would find another file there after each commit, for ever; so such a file counts as the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry.compare import verdict
from hubferry.events import Edited
from hubferry.i18n import _
from hubferry.model import Digests
from hubferry.results import Verdict
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from hubferry.events import Listener
    from hubferry.hubs.ports import Destination
    from hubferry.model import RepoFile, Revision

LARGEST = 1 << 20
"""Bytes above which no such file is read: it would not be one that a hub writes."""
_LFS = {"filter=lfs", "diff=lfs", "merge=lfs", "-text"}


def only_adds(ours: bytes, theirs: bytes) -> bool:
    """Return whether `theirs` has all lines of `ours` in order, and besides only lines that name LFS files.

    A line that says anything else of a path, or a comment, is a person's, and no addition of a hub.
    """
    wanted = iter(_lines(ours))
    line = next(wanted, None)
    for found in _lines(theirs):
        if found == line:
            line = next(wanted, None)
        elif not _names_lfs_files(found):
            return False
    return line is None


def _lines(content: bytes) -> list[str]:
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _names_lfs_files(line: str) -> bool:
    """Return whether a line says nothing, or that a pattern's files are LFS files."""
    if not line.strip():
        return True
    pattern, *attributes = line.rsplit(maxsplit=len(_LFS))
    return not pattern.startswith("#") and set(attributes) == _LFS


@dataclass(frozen=True, slots=True)
class Sides:
    """What is held against each other.

    Attributes:
        destination: The port.
        revision: The destination as it stands.
        ours: The source's files by path.
        known: Digests of the source's content, by path.
        read: Read one of the source's files.
    """

    destination: Destination
    revision: Revision
    ours: Mapping[str, RepoFile]
    known: Mapping[str, Digests]
    read: Callable[[RepoFile], Awaitable[bytes]]


async def settle(sides: Sides, listed: Sequence[RepoFile], listen: Listener) -> list[RepoFile]:
    """Return a destination's listing in which a file that the hub has only added to counts as the source's.

    One that the source does not have is the hub's own, and left out: every repository there has it. Costs
    nothing unless there is such a file and it has grown; then one small question a side.
    """
    names = sides.destination.limits.edited_names
    ours = [file for file in listed if file.path not in names or file.path in sides.ours]
    return [await _settled(sides, file, listen) if file.path in names else file for file in ours]


async def _settled(sides: Sides, theirs: RepoFile, listen: Listener) -> RepoFile:
    ours = sides.ours.get(theirs.path)
    if ours is None or not _may_be_edited(ours, theirs, sides.known.get(theirs.path)):
        return theirs
    content, edited = await run_all(sides.read(ours), sides.destination.whole(sides.revision, theirs))
    if not (_digests(content).fit(ours) and _digests(edited).fit(theirs) and only_adds(content, edited)):
        return theirs
    message = _("{path}: the destination has added lines of its own, which counts as the same")
    listen(Edited(message.format(path=theirs.path), theirs.path))
    return replace(theirs, size=ours.size, sha256=ours.sha256, git_sha1=ours.git_sha1)


def _digests(content: bytes) -> Digests:
    git = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    git.update(content)
    return Digests(len(content), hashlib.sha256(content).hexdigest(), git.hexdigest())


def _may_be_edited(ours: RepoFile, theirs: RepoFile, known: Digests | None) -> bool:
    if verdict(ours, theirs, known) is Verdict.SAME:
        return False
    return ours.size is not None and theirs.size is not None and ours.size < theirs.size <= LARGEST
