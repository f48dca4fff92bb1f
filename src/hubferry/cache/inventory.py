"""Which files a model's directory has, whoever made it. Reads names and stat, never content."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.cache.names import RECORDS
from hubferry.cache.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

LEFTOVER_SUFFIXES = frozenset({
    ".incomplete", ".part", ".partial", ".tmp", ".temp", ".download", ".downloading", ".crdownload", ".aria2",
})  # fmt: skip
_TEMPORARY_FOLDERS = ("._____temp", ".____temp")
"""Where ModelScope's clients collect a download (`TEMPORARY_FOLDER_NAME`)."""
_POSIX = os.name == "posix"
_OWN_MAP = ".map"
"""Ends the notes that we keep beside a file of our own that is under way."""
_FOREIGN_RECORDS = ".cache"
"""`hf download --local-dir` keeps its notes, and what is under way, in `.cache/huggingface`."""


@dataclass(slots=True)
class Inventory:
    """What a directory has.

    Attributes:
        files: By POSIX path, what each regular file looks like; links to files are seen through.
        leftovers: Paths of what an interrupted download left behind, ours or another tool's.
        linked: Paths of links to directories, which are not followed.
        strange: Paths that are neither files nor directories: links that lead nowhere, sockets and pipes.
        has_records: Whether we keep records about it.
        usage: What all of it takes on the disk, our records and other tools' included.
    """

    files: dict[str, os.stat_result] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    linked: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    has_records: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files, as `ls` counts them."""
        return sum(status.st_size for status in self.files.values())


def take(directory: Path, status: os.stat_result | None = None) -> Inventory:
    """List a model's directory; links to directories are not followed. Our own records are no model's files.

    Args:
        directory: The model's.
        status: What it looks like, if somebody has just looked.

    Raises:
        OSError: The directory, or one below it, cannot be read.
    """
    inventory = Inventory()
    # A stack of our own: a hub may nest folders deeper than Python nests calls.
    folders = [_Folder(iter(disk.scandir(directory)), "", _of_the_model)]
    inventory.usage.add_directory(status or disk.lstat(directory))
    while folders:
        folder = folders[-1]
        for entry in folder.entries:
            below = _taken(folder, entry, inventory)
            if below is not None:
                folders.append(below)
                break
        else:
            folders.pop()
    return inventory


_Sort = Callable[["Inventory", str, str, "os.stat_result | None"], None]
"""Says what a file is, by its path, its name and what it looks like."""


@dataclass(slots=True)
class _Folder:
    """A folder whose entries are being gone through.

    Attributes:
        entries: Those that are left.
        prefix: What their paths begin with.
        sort: Says what its files are.
    """

    entries: Iterator[os.DirEntry[str]]
    prefix: str
    sort: _Sort


def _taken(folder: _Folder, entry: os.DirEntry[str], inventory: Inventory) -> _Folder | None:
    """Take in one entry of a folder; return it as the next folder to go through, if it is one."""
    path = folder.prefix + entry.name
    is_folder = entry.is_dir(follow_symlinks=False)
    try:
        # On Windows a directory's entry knows neither the inode nor the number of links.
        status = entry.stat(follow_symlinks=False) if _POSIX else os.lstat(entry.path)
        entries = iter(disk.scandir(entry.path)) if is_folder else None
    except FileNotFoundError:  # a running transfer renamed what it has finished, or took it away
        return None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        inventory.strange.append(path + "/" if is_folder else path)
        return None
    if entries is not None:
        inventory.usage.add_directory(status)
        return _Folder(entries, path + "/", _sort_for(path, entry.name, folder.sort))
    inventory.usage.add(status)
    seen = _destination(entry) if entry.is_symlink() else status
    folder.sort(inventory, path, entry.name, seen)
    return None


def _sort_for(path: str, name: str, sort: _Sort) -> _Sort:
    """Return what the files of a directory inside the model are."""
    if path == f"{RECORDS}/partial":
        return _under_way
    if path == RECORDS:
        return _of_ours
    if path == _FOREIGN_RECORDS or name == ".git":
        return _of_another_tool
    return _under_way if name in _TEMPORARY_FOLDERS else sort


def _of_the_model(inventory: Inventory, path: str, name: str, status: os.stat_result | None) -> None:
    if _is_leftover(name):
        inventory.leftovers.append(path)
    elif status is not None and stat.S_ISREG(status.st_mode):
        inventory.files[path] = status
    elif status is not None and stat.S_ISDIR(status.st_mode):
        inventory.linked.add(path)
    else:
        inventory.strange.append(path)


def _of_ours(inventory: Inventory, _path: str, _name: str, _status: os.stat_result | None) -> None:
    inventory.has_records = True


def _of_another_tool(inventory: Inventory, path: str, name: str, _status: os.stat_result | None) -> None:
    if _is_leftover(name):
        inventory.leftovers.append(path)


def _under_way(inventory: Inventory, path: str, _name: str, _status: os.stat_result | None) -> None:
    if not path.endswith(_OWN_MAP):
        inventory.leftovers.append(path)


def _is_leftover(name: str) -> bool:
    return name[name.rfind(".") :] in LEFTOVER_SUFFIXES or name.startswith(_TEMPORARY_FOLDERS)


def _destination(link: os.DirEntry[str]) -> os.stat_result | None:
    """Describe what a link leads to, None where that is nowhere, or round in circles."""
    try:
        return os.stat(link.path)  # noqa: PTH116  # as it is, without a Path for each of a hub's cache
    except OSError:
        return None
