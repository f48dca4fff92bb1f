"""Which files a model's directory has, whoever made it. Reads names and stat, never content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.cache.names import RECORDS
from hubferry.cache.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

LEFTOVER_SUFFIXES = (
    ".incomplete", ".part", ".partial", ".tmp", ".temp", ".download", ".downloading", ".crdownload", ".aria2",
)  # fmt: skip
_TEMPORARY_FOLDERS = ("._____temp", ".____temp")
"""Where ModelScope's clients collect a download (`TEMPORARY_FOLDER_NAME`)."""
_OWN_MAP = ".map"
"""Ends the notes that we keep beside a file of our own that is under way."""
_FOREIGN_RECORDS = ".cache"
"""`hf download --local-dir` keeps its notes, and what is under way, in `.cache/huggingface`."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a directory has.

    Attributes:
        files: By POSIX path, what each regular file looks like; links to files are seen through.
        leftovers: Paths of what an interrupted download left behind, ours or another tool's.
        strange: Paths that are neither files nor directories: links that lead nowhere, sockets and pipes.
        usage: What all of it takes on the disk, our records and other tools' included.
    """

    files: dict[str, os.stat_result] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    @property
    def size(self) -> int:
        """Bytes of all files, as `ls` counts them."""
        return sum(status.st_size for status in self.files.values())


def take(directory: Path) -> Inventory:
    """List a model's directory; links to directories are not followed. Our own records are no model's files.

    Raises:
        OSError: The directory, or one below it, cannot be read.
    """
    inventory = Inventory()
    _walk(directory, "", inventory, _of_the_model)
    return inventory


_Sort = Callable[["Inventory", str, "os.stat_result | None"], None]


def _walk(directory: Path, prefix: str, inventory: Inventory, sort: _Sort) -> None:
    inventory.usage.add(disk.lstat(directory), is_directory=True)
    for entry in disk.scandir(directory):
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            _walk(directory / entry.name, path + "/", inventory, _sort_for(path, entry.name, sort))
            continue
        status = _status(entry)
        inventory.usage.add(status)
        sort(inventory, path, _destination(entry) if stat.S_ISLNK(status.st_mode) else status)


def _sort_for(path: str, name: str, sort: _Sort) -> _Sort:
    """Return what the files of a directory inside the model are."""
    if path == f"{RECORDS}/partial":
        return _under_way
    if path == RECORDS or name == ".git":
        return _of_nobody
    if path == _FOREIGN_RECORDS:
        return _of_another_tool
    return _under_way if name in _TEMPORARY_FOLDERS else sort


def _of_the_model(inventory: Inventory, path: str, status: os.stat_result | None) -> None:
    if _is_leftover(path.rpartition("/")[2]):
        inventory.leftovers.append(path)
    elif status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        inventory.strange.append(path)
    elif stat.S_ISREG(status.st_mode):
        inventory.files[path] = status


def _of_another_tool(inventory: Inventory, path: str, _status: os.stat_result | None) -> None:
    if _is_leftover(path.rpartition("/")[2]):
        inventory.leftovers.append(path)


def _under_way(inventory: Inventory, path: str, _status: os.stat_result | None) -> None:
    if not path.endswith(_OWN_MAP):
        inventory.leftovers.append(path)


def _of_nobody(_inventory: Inventory, _path: str, _status: os.stat_result | None) -> None:
    """Count it, no more."""


def _is_leftover(name: str) -> bool:
    return name.lower().endswith(LEFTOVER_SUFFIXES) or name.startswith(_TEMPORARY_FOLDERS)


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    # On Windows a directory's entry knows neither the inode nor the number of links.
    return entry.stat(follow_symlinks=False) if os.name == "posix" else os.lstat(entry.path)


def _destination(link: os.DirEntry[str]) -> os.stat_result | None:
    """Describe what a link leads to, None where that is nowhere, or round in circles."""
    try:
        return os.stat(link.path)  # noqa: PTH116  # as it is, without a Path for each of a hub's cache
    except OSError:
        return None
