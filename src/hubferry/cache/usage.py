"""What files take on the disk, and what deleting them would free: every inode counts once. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

Inode = tuple[int, int]
"""Device and inode number."""

_BLOCK = 512
"""Bytes that `st_blocks` counts in, whatever the filesystem's own blocks are."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The inodes of a directory and everything below it.

    Attributes:
        bytes: What each takes on the disk.
        links: How many names each has anywhere.
        names: How many of those names are in this directory.
    """

    bytes: dict[Inode, int] = field(default_factory=dict)
    links: dict[Inode, int] = field(default_factory=dict)
    names: Counter[Inode] = field(default_factory=Counter)

    def add(self, status: os.stat_result, *, is_directory: bool = False) -> None:
        """Count one name; a directory's links are its own affair."""
        inode = (status.st_dev, status.st_ino)
        self.bytes[inode] = blocks(status)
        self.links[inode] = 1 if is_directory else status.st_nlink
        self.names[inode] += 1

    @property
    def disk(self) -> int:
        """Bytes on the disk, as `du` counts them."""
        return sum(self.bytes.values())


def blocks(status: os.stat_result) -> int:
    """Return the bytes that a file takes on the disk; its length where the system does not say."""
    count: int | None = getattr(status, "st_blocks", None)
    return status.st_size if count is None else count * _BLOCK


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
        for inode, size in usage.bytes.items():
            sizes[inode] = size
            left[inode] = left.get(inode, usage.links[inode]) - usage.names[inode]
    return sum(size for inode, size in sizes.items() if left[inode] <= 0)
