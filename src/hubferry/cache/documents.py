"""Small files that somebody reads later: there whole or not at all, also after a power cut."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubferry import places
from hubferry.cache.disk import disk
from hubferry.errors import DiskError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_whole(place: Path, content: bytes) -> None:
    """Write a file whole or not at all, and let it last.

    Raises:
        DiskError: The disk is full, forbids it, or fails.
    """
    passing = place.with_name(f".{place.name}.{secrets.token_hex(8)}.passing")
    with writing(place):
        replace_whole(place, passing, content, 0o644)


def replace_whole(place: Path, passing: Path, content: bytes, mode: int) -> None:
    """Write a file beside its place and give it that name, so that a power cut leaves the old one or the new.

    Raises:
        OSError: The disk is full, failing or forbidden; what was there is untouched.
    """
    descriptor = disk.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            disk.pwrite_all(descriptor, [content], 0)
            disk.fsync(descriptor)
        finally:
            disk.close(descriptor)
        disk.replace(passing, place)
    except BaseException:
        disk.unlink(passing, missing_ok=True)
        raise
    disk.fsync_directory(place.parent)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Let what keeps a document from being written name its place, and not the cache.

    Raises:
        DiskError: The disk is full, forbids it, or fails.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(place, error.strerror or type(error).__name__) from error


def require_writable(folder: Path, *, made: bool = True) -> None:
    """Refuse a folder in which nothing can be written, before there is something to write.

    Args:
        folder: Where documents are going to be.
        made: Whether it is made where it is not there.

    Raises:
        DiskError: It is not there, or only read.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not places.is_directory(there):
        raise _unwritable(folder, os.strerror(errno.ENOTDIR))
    if there != folder.absolute() and not made:
        raise _unwritable(folder, os.strerror(errno.ENOENT))
    if not places.is_writable(there):
        raise _unwritable(folder, _("no permission, or the disk is read-only"))


def _unwritable(place: Path, reason: str) -> DiskError:
    message = _("{path} cannot be written: {reason}").format(path=place, reason=reason)
    return DiskError(message, path=str(place), hint=_("name another place, or give yourself the right"))
