"""Small files that somebody reads later: there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk, disk_errors

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(place: Path, content: bytes) -> None:
    """Write a file whole or not at all, and let it last.

    Raises:
        DiskError: The disk is full, forbids it, or fails.
    """
    passing = place.with_name(f".{place.name}.{secrets.token_hex(8)}.passing")
    with disk_errors(place):
        descriptor = disk.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
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
