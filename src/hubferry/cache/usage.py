"""What files take on the disk, and what deleting them would free: every inode counts once. No I/O."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

Inode = tuple[int, int]
"""Device and inode number."""

_COUNTS_BLOCKS = sys.platform != "win32"
_BLOCK = 512
"""Bytes that `st_blocks` counts in, whatever the filesystem's own blocks are."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The inodes of a directory and everything below it.

    Attributes:
        bytes: What each takes on the disk.
        links: How many names each has anywhere, for files that have several.
        names: How many of those names are in this directory.
    """

    bytes: dict[Inode, int] = field(default_factory=dict)
    links: dict[Inode, int] = field(default_factory=dict)
    names: dict[Inode, int] = field(default_factory=dict)

    def add(self, status: os.stat_result) -> None:
        """Count one name of a file."""
        inode = status.st_dev, status.st_ino
        self.bytes[inode] = blocks(status)
        if status.st_nlink > 1:
            self.links[inode] = status.st_nlink
            self.names[inode] = self.names.get(inode, 0) + 1

    def add_directory(self, status: os.stat_result) -> None:
        """Count a directory; its links are its own affair."""
        self.bytes[status.st_dev, status.st_ino] = blocks(status)

    @property
    def disk(self) -> int:
        """Bytes on the disk, as `du` counts them."""
        return sum(self.bytes.values())

    @property
    def shared(self) -> int:
        """Bytes of what has another name outside of this directory, and stays when this one goes."""
        return sum(self.bytes[inode] for inode, links in self.links.items() if links > self.names[inode])


def blocks(status: os.stat_result) -> int:
    """Return the bytes that a file takes on the disk; its length where the system does not say."""
    return status.st_blocks * _BLOCK if _COUNTS_BLOCKS else status.st_size


def disk(usages: Iterable[Usage]) -> int:
    """Return the bytes that several directories take together."""
    together: dict[Inode, int] = {}
    for usage in usages:
        together.update(usage.bytes)
    return sum(together.values())


def freed(usages: Iterable[Usage]) -> int:
    """Return the bytes that deleting several directories together would free.

    An inode that has another name elsewhere stays.
    """
    sizes: dict[Inode, int] = {}
    left: dict[Inode, int] = {}
    for usage in usages:
        sizes.update(usage.bytes)
        for inode, links in usage.links.items():
            left[inode] = left.get(inode, links) - usage.names[inode]
    return sum(size for inode, size in sizes.items() if left.get(inode, 0) <= 0)
