"""Whether a folder can take what a plan brings: looked at before anything moves, nothing is changed.

What is in the way, what this filesystem cannot hold, where there is no right to write, and room.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.errors import DiskError, DiskFullError, HubferryError, UsageError
from hubferry.findings import Finding, refusals, refused
from hubferry.hubs.folder.names import existing, look_alikes, problem_of, tells_case_apart
from hubferry.hubs.folder.source import OWN_FOLDER
from hubferry.i18n import _
from hubferry.model import Action
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hubferry.hubs.folder.contents import Contents
    from hubferry.model import Plan, Step

_BRINGS = (Action.INLINE, Action.REUSE, Action.SEND, Action.FETCH_SEND)
_BLOCK = 4096
"""Bytes by which a file's room is counted up; nearly every filesystem has no smaller blocks."""


def examine(root: Path, plan: Plan, contents: Contents) -> Iterator[Finding]:
    """Yield what would refuse `plan` in the end; `contents` is what the folder was seen to hold."""
    whole = list(_place(root))
    if whole:
        yield from whole
        return
    yield from _confusable(root, plan)
    leaving = frozenset(step.file.path for step in plan.of(Action.DELETE))
    found = _single(root, plan, contents, leaving)
    if leaving and refusals((*found, *plan.findings)):  # a run that fails in part deletes nothing
        found = _single(root, plan, contents, frozenset())
    yield from found
    yield from _room(root, plan)


def _single(root: Path, plan: Plan, contents: Contents, leaving: frozenset[str]) -> list[Finding]:
    """Look at each file, where those that are `leaving` make room for others."""
    look = _Look(root, contents, leaving)
    found = [finding for step in plan.of(*_BRINGS) for finding in look.bringing(step)]
    return found + [finding for step in plan.of(Action.DELETE) for finding in look.deleting(step)]


def _place(root: Path) -> Iterator[Finding]:
    """Look at the folder itself, or at where it is to be made."""
    nearest = existing(root)
    words = {"path": root, "place": nearest}
    if not nearest.is_dir():
        message = _("{path} cannot be a folder: {place} is none")
        hint = _("name another folder, or move that file away")
        error: HubferryError = UsageError(message.format(**words), side="destination", hint=hint)
        yield refused("no-folder", error)
        return
    if not _writable(nearest):
        message = _("{place} cannot be written: no permission, or the disk is read-only")
        hint = _("give yourself the right to write there, or name another folder")
        yield refused("not-writable", DiskError(message.format(**words), side="destination", hint=hint))
    for own in (root / OWN_FOLDER, root / OWN_FOLDER / "incoming"):
        if os.path.lexists(own) and (own.is_symlink() or not own.is_dir()):
            message = _("{path} is where a copy keeps what is arriving, and it is no folder of its own")
            error = UsageError(message.format(path=own), side="destination", hint=_("move it away"))
            yield refused("not-writable", error)
            return


def _writable(folder: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


class _Look:
    """Look at what is in the way of single files; each folder is asked about once."""

    def __init__(self, root: Path, contents: Contents, leaving: frozenset[str]) -> None:
        self._root = root
        self._leaving = leaving
        self._unread = {file.path for file in contents.files if file.sha256 is None}
        self._closed = contents.closed
        self._folders: dict[str, str | None] = {}

    def bringing(self, step: Step) -> Iterator[Finding]:
        """Find why a file cannot be brought to its path: the first reason only."""
        path = step.file.path
        problem = problem_of(path, self._root)
        if problem is not None:
            message = _("{path} cannot be a file in this folder: {problem}")
            yield _about("name", UsageError, path, message.format(path=path, problem=problem))
            return
        blocked = self._blocked(path.rpartition("/")[0])
        if blocked is not None:
            yield _about("in-the-way", UsageError, path, f"{path}: {blocked}")
        elif path in self._unread:
            message = _("{path} is there and cannot be read, so that nobody can tell whether to replace it")
            yield _about("unreadable", DiskError, path, message.format(path=path))
        elif (standing := self._standing(path)) is not None:
            yield _about("in-the-way", UsageError, path, standing)
        else:
            yield from self._right(path)

    def deleting(self, step: Step) -> Iterator[Finding]:
        """Find why a file cannot be deleted."""
        yield from self._right(step.file.path)

    def _right(self, path: str) -> Iterator[Finding]:
        """Refuse a change in a folder in which nothing may be changed."""
        folder = path.rpartition("/")[0]
        while folder and not os.path.lexists(self._root / folder):
            folder = folder.rpartition("/")[0]
        if folder and (self._root / folder).is_dir() and not _writable(self._root / folder):
            message = _("{path}: the folder {folder} must not be written").format(path=path, folder=folder)
            yield _about("not-writable", DiskError, path, message)

    def _blocked(self, folder: str) -> str | None:
        """Return why nothing can be written below a folder, None where it can."""
        if not folder:
            return None
        if folder not in self._folders:
            self._folders[folder] = self._blocked(folder.rpartition("/")[0]) or self._bars(folder)
        return self._folders[folder]

    def _bars(self, folder: str) -> str | None:
        place = self._root / folder
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(mode) and place.is_dir():
            return _("{folder} is a link to a folder, and nothing is written through links").format(
                folder=folder
            )
        if folder in self._closed:
            return _("the folder {folder} cannot be read").format(folder=folder)
        if stat.S_ISDIR(mode) or folder in self._leaving:
            return None
        return _("{folder} is a file where a folder has to be").format(folder=folder)

    def _standing(self, path: str) -> str | None:
        """Return what stands where a file has to go and must not be replaced, None where nothing does."""
        place = self._root / path
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(mode) and place.is_dir():
            return _("{path} is a link to a folder where a file has to be").format(path=path)
        if stat.S_ISDIR(mode) and not self._empties(path):
            return _("{path} is a folder where a file has to be").format(path=path)
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
            return _("{path} is there and neither file nor folder").format(path=path)
        return None

    def _empties(self, folder: str) -> bool:
        """Return whether the plan's own deletions leave nothing of a folder."""
        with suppress(OSError), os.scandir(self._root / folder) as entries:
            found = list(entries)
            return bool(found) and all(
                self._empties(f"{folder}/{entry.name}")
                if entry.is_dir(follow_symlinks=False)
                else f"{folder}/{entry.name}" in self._leaving
                for entry in found
            )
        return False


def _confusable(root: Path, plan: Plan) -> Iterator[Finding]:
    """Find names that this disk would take for one."""
    brought = {step.file.path for step in plan.of(*_BRINGS)}
    there = [*(file.path for file in plan.only_there), *(step.file.path for step in plan.steps)]
    alike = [pair for pair in look_alikes(sorted(there)) if brought.intersection(pair)]
    if not alike or tells_case_apart(existing(root)):
        return
    for pair in alike:
        path, other = pair if pair[0] in brought else reversed(pair)
        message = _("{path} and {other} are one name on this disk").format(path=path, other=other)
        yield _about("name", UsageError, path, message)


def _room(root: Path, plan: Plan) -> Iterator[Finding]:
    """Refuse what does not fit: everything new lies beside what it replaces for a moment."""
    steps = plan.of(*_BRINGS)
    there = {entry.name: entry.stat().st_size for entry in _kept_aside(root)}
    needed = sum((step.file.size or 0) + _BLOCK for step in steps)
    needed -= sum(there.get(sha256, 0) for sha256 in {step.sha256 or "" for step in steps})
    place = existing(root)
    free = shutil.disk_usage(place).free
    if steps and needed > free:
        message = _("the disk of {path} has {free} free; {needed} are needed")
        words = {"free": readable_size(free), "needed": readable_size(needed)}
        error = DiskFullError(
            message.format(path=place, **words),
            side="destination",
            hint=_("make room, or name another folder"),
        )
        yield refused("no-room", error)


def _kept_aside(root: Path) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(root / OWN_FOLDER / "incoming") as entries:
        return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    return []


def _about(code: str, kind: type[HubferryError], path: str, message: str) -> Finding:
    hint = _("leave it out with --exclude '{path}'").format(path=path)
    return refused(code, kind(message, side="destination", path=path, hint=hint))
