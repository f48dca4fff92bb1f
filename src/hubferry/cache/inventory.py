"""Which files a model's directory has, whoever made it. Reads names and stat, never content."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.cache.names import RECORDS

if TYPE_CHECKING:
    from pathlib import Path

LEFTOVER_SUFFIXES = (
    ".incomplete", ".part", ".partial", ".tmp", ".temp", ".download", ".downloading", ".crdownload", ".aria2",
)  # fmt: skip
_TEMPORARY_FOLDERS = ("._____temp", ".____temp")
"""Where ModelScope's clients collect a download (`TEMPORARY_FOLDER_NAME`)."""
_FOREIGN_RECORDS = ".cache"
"""`hf download --local-dir` keeps its notes, and what is under way, in `.cache/huggingface`."""
_SKIPPED = (".git",)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a directory has.

    Attributes:
        files: By POSIX path, what each regular file looks like; links to files are seen through.
        leftovers: Paths of what an interrupted download left behind, other than our own.
        strange: Paths that are neither files nor directories: links that lead nowhere, sockets and pipes.
    """

    files: dict[str, os.stat_result] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files, as `ls` counts them."""
        return sum(status.st_size for status in self.files.values())


def take(directory: Path) -> Inventory:
    """List a model's directory. Our own records are left out, links to directories are not followed.

    Raises:
        OSError: The directory, or one below it, cannot be read.
    """
    inventory = Inventory()
    _walk(directory, "", inventory)
    return inventory


def _walk(directory: Path, prefix: str, inventory: Inventory) -> None:
    for entry in disk.scandir(directory):
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            _descend(directory / entry.name, path, inventory)
        elif _is_leftover(entry.name):
            inventory.leftovers.append(path)
        else:
            status = _status(entry)
            if status is None or not stat.S_ISREG(status.st_mode):
                if status is None or not stat.S_ISDIR(status.st_mode):
                    inventory.strange.append(path)
            else:
                inventory.files[path] = status


def _descend(directory: Path, path: str, inventory: Inventory) -> None:
    name = directory.name
    if name in _SKIPPED or path == RECORDS:
        return
    if name in _TEMPORARY_FOLDERS or path == _FOREIGN_RECORDS:
        inner = Inventory()
        _walk(directory, path + "/", inner)
        inventory.leftovers.extend(inner.leftovers)
        if name in _TEMPORARY_FOLDERS:
            inventory.leftovers.extend(inner.files)
        return
    _walk(directory, path + "/", inventory)


def _is_leftover(name: str) -> bool:
    return name.lower().endswith(LEFTOVER_SUFFIXES) or name.startswith(_TEMPORARY_FOLDERS)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Describe what an entry leads to, None where that is nowhere."""
    try:
        # On Windows a directory's entry knows neither the inode nor the number of links.
        return entry.stat() if os.name == "posix" else os.stat(entry.path)  # noqa: PTH116  # no Path for each file
    except FileNotFoundError:
        return None
    except OSError:
        if entry.is_symlink():  # a loop
            return None
        raise
