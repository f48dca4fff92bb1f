"""Read a file that tools keep notes in: anybody may have put anything in its place."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_NO_FILE = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV, errno.EISDIR,
})  # fmt: skip
"""There is none; or what opening a link, pipe, socket or device says that came into its place just now."""


def read(path: Path | str, most: int) -> bytes | None:
    """Return the content of a regular file of `most` bytes at most; None for anything else, or nothing.

    This ends soon, whatever is there: no pipe is waited for, no device is opened, no link is followed.

    Raises:
        OSError: The disk failed, or forbids reading.
    """
    place = os.fspath(path)
    try:
        if not _fits(os.lstat(place), most):
            return None
        descriptor = os.open(place, _FLAGS)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    try:
        status = os.fstat(descriptor)
        return _whole(descriptor, status.st_size) if _fits(status, most) else None
    finally:
        os.close(descriptor)


def _fits(status: os.stat_result, most: int) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size <= most


def _whole(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := os.read(descriptor, size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
