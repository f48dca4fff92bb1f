"""What a mirror writes down beside the models, in `.mirror` of the cache's root.

A note is there whole, or as it was before; none is so important that a full disk would be an error.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hubferry.cache.disk import disk
from hubferry.cache.roots import create_root, make_directories
from hubferry.errors import DiskError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ".mirror"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
Shape = TypeVar("Shape")


class Notes:
    """The notes below one root, by their path in the folder."""

    def __init__(self, root: Path) -> None:
        """Keep notes below `root`; nothing is created before the first."""
        self._root = root

    def read(self, name: str, shape: type[Shape], most: int) -> Shape | None:
        """Return a note; None where there is none of at most `most` bytes that can be believed."""
        with suppress(OSError, ValueError, RecursionError):
            content = disk.read_record(self._root / FOLDER / name, most)
            return None if content is None else msgspec.json.decode(content, type=shape)
        return None

    def write(self, name: str, content: bytes, *, durable: bool = False) -> None:
        """Write a note in the place of the one before; `durable` waits until it survives a power cut."""
        place = self._root / FOLDER / name
        with suppress(OSError, DiskError):
            create_root(self._root)
            make_directories(place.parent)
            temporary = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
            try:
                _write(temporary, content, durable=durable)
                disk.replace(temporary, place)
            except BaseException:
                with suppress(OSError):
                    disk.unlink(temporary, missing_ok=True)
                raise

    def remove(self, name: str) -> None:
        """Remove a note, if there is one."""
        with suppress(OSError):
            disk.unlink(self._root / FOLDER / name, missing_ok=True)


def _write(place: Path, content: bytes, *, durable: bool) -> None:
    descriptor = disk.open(place, _NEW, 0o600)
    try:
        disk.pwrite_all(descriptor, [content], 0)
        if durable:
            disk.fsync(descriptor)
    finally:
        disk.close(descriptor)
