"""What content hashes to, read from an open file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.model import Digests

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1024 * 1024
"""Bytes hashed at a time: within the second-level cache, and long enough to let other threads run."""


def ignore(_data: bytes, _offset: int) -> None:
    """Take no copy."""


def digest_file(
    descriptor: int, size: int, *, git: bool, also: Callable[[bytes, int], None] = ignore
) -> Digests:
    """Hash an open file from its first byte to its last.

    Args:
        descriptor: Open for reading; its position does not matter and is not moved.
        size: Its length in bytes, which git's digest begins with. Content of another length still gets an
            honest `Digests.size` and sha256, and no git digest.
        git: Whether git's blob id is wanted too; it costs a second hash.
        also: Called with each block and its offset, so that a copy needs no second reading.
    """
    sha256 = hashlib.sha256()
    sha1 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if git else None
    offset = 0
    while block := disk.pread(descriptor, BLOCK, offset):
        sha256.update(block)
        if sha1 is not None:
            sha1.update(block)
        also(block, offset)
        offset += len(block)
    blob_id = sha1.hexdigest() if sha1 is not None and offset == size else None
    return Digests(offset, sha256.hexdigest(), blob_id)
