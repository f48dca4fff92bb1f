"""Whether a filesystem keeps two names apart that differ in the case of their letters alone."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk

if TYPE_CHECKING:
    from pathlib import Path


def tells_case_apart(directory: Path) -> bool:
    """Return whether an existing directory keeps two names that differ only in case. Nothing is written.

    Some name that is there is asked for in the other case. False where no name can tell.
    """
    device = disk.stat(directory).st_dev
    for place in (directory, *directory.parents):
        if disk.stat(place).st_dev != device:
            break
        for entry in disk.scandir(place):
            other = place / entry.name.swapcase()
            if other.name == entry.name or not entry.name.isascii():
                continue  # not every filesystem takes `ß` for `SS`
            with suppress(FileNotFoundError):  # it went away meanwhile
                own = disk.lstat(place / entry.name)
                return not _is_same(own, other)
    return False


def _is_same(status: os.stat_result, other: Path) -> bool:
    try:
        return os.path.samestat(status, disk.lstat(other))
    except FileNotFoundError:
        return False
