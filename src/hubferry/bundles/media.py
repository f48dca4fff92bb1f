"""What the medium takes that volumes go to: room, and on FAT no file of 4 GiB."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.bundles.layout import FAT32
from hubferry.cache.disk import disk, disk_errors
from hubferry.errors import DiskFullError, UsageError
from hubferry.i18n import _
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAT = ("vfat", "msdos")
_SPARE = 1 << 20
"""Bytes that are left free for the filesystem's own tables."""
_MOUNTS = Path("/proc/self/mountinfo")


def refuse_what_does_not_fit(directory: Path, sizes: Mapping[int, int], begun: int, beside: int) -> None:
    """Refuse volumes that cannot come there, before the first byte.

    Args:
        directory: Where they go; it is there.
        sizes: Bytes of each that is to be written, by number.
        begun: Bytes that an earlier run has left of one.
        beside: Bytes of the index beside them.

    Raises:
        UsageError: A volume is larger than any file there may be.
        DiskFullError: There is less room than they take; says which ones fit.
    """
    if max(sizes.values(), default=0) > FAT32 and filesystem(directory) in _FAT:
        message = _("{path} is FAT, and takes no file of 4 GiB").format(path=directory)
        raise UsageError(message, path=str(directory), hint="--fat32")
    with disk_errors(directory):
        free = disk.free(directory) + begun - _SPARE - beside
    needed = sum(sizes.values())
    if needed <= free:
        return
    message = _("{path} has {free} free, and the volumes need {needed}")
    words = {"path": directory, "free": readable_size(max(free, 0)), "needed": readable_size(needed)}
    raise DiskFullError(message.format(**words), path=str(directory), hint=_fitting(sizes, free))


def filesystem(directory: Path) -> str | None:
    """Return the kind of filesystem of a directory, None where this system does not say."""
    with suppress(OSError, ValueError):
        device = disk.stat(directory).st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        for line in _MOUNTS.read_text(errors="replace").splitlines():
            mounted, _dash, kind = line.partition(" - ")
            if mounted.split()[2] == number:
                return kind.split()[0]
    return None


def _fitting(sizes: Mapping[int, int], free: int) -> str:
    """Say which volumes would fit."""
    fitting: list[int] = []
    for number, size in sizes.items():
        free -= size
        if free < 0:
            break
        fitting.append(number)
    if not fitting:
        return _("another --size, or a larger disk")
    words = f"{fitting[0]}-{fitting[-1]}" if len(fitting) > 1 else str(fitting[0])
    return _("--only-volumes {numbers} fit there; the others go to another disk").format(numbers=words)
