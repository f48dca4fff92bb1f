"""Remove a tree of any depth, with a constant number of open directories.

The standard library's way calls itself for each level, and holds each level open. Here the directories of
each level are first moved to the top of the tree that is being removed, under names of their own. What is
done in a directory is done through its descriptor: no link that somebody puts in the way is followed.
"""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_BY_DESCRIPTOR = {
    os.open,
    os.unlink,
    os.rmdir,
    os.rename,
} <= os.supports_dir_fd and os.scandir in os.supports_fd


def remove(path: Path) -> None:
    """Remove a directory and everything below it; a symlink is removed, never followed.

    Raises:
        OSError: Something cannot be removed; what was is gone, and the rest no tree any more.
    """
    if not _BY_DESCRIPTOR:
        shutil.rmtree(path)
        return
    try:
        _empty(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path / str(error.filename or ""))) from error
    path.rmdir()


def _empty(path: Path) -> None:
    top = os.open(path, _OPEN)
    try:
        waiting = _clear(top, top)
        while waiting:
            name = waiting.pop()
            directory = os.open(name, _OPEN, dir_fd=top)
            try:
                waiting += _clear(directory, top)
            finally:
                os.close(directory)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _clear(directory: int, top: int) -> list[str]:
    """Remove what is in a directory and move the directories to the top; return their names there."""
    with os.scandir(directory) as listed:
        entries = list(listed)
    moved = []
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=directory)
        elif directory == top:
            moved.append(entry.name)
        elif not _is_removed(entry.name, directory):
            name = secrets.token_hex(16)
            os.rename(entry.name, name, src_dir_fd=directory, dst_dir_fd=top)
            moved.append(name)
    return moved


def _is_removed(name: str, directory: int) -> bool:
    """Remove a directory that is empty: one that may not be written can be removed, and not be moved."""
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError:
        return False
    return True
