"""Writing small files so that a crash leaves the old one or the new one."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_TO_SYNC = os.O_RDWR if os.name == "nt" else os.O_RDONLY
"""Windows puts on the disk only what may be written."""


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace a file: temporary name, content, fsync, rename, fsync of the folder.

    Nobody may do at any moment what `mode` does not allow; the process's mask takes away from it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, _NEW, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: str | Path) -> None:
    """Put a file's content, or a folder's names, on the disk."""
    try:
        descriptor = os.open(path, _TO_SYNC)
    except PermissionError:  # Windows cannot open a folder
        if os.path.isdir(path):  # noqa: PTH112  # thousands in one commit
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, whose names survive a crash."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
