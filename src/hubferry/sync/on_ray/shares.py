"""Cut a repository's blobs into shares of about one size. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.model import Blob


def cut(blobs: Sequence[Blob], count: int) -> tuple[tuple[Blob, ...], ...]:
    """Return at most `count` shares, none empty: largest first, each blob to the share with least so far."""
    shares: list[list[Blob]] = [[] for _number in range(min(count, len(blobs)))]
    sizes = [0] * len(shares)
    for blob in sorted(blobs, key=lambda one: (-one.size, one.sha256)):
        least = min(range(len(shares)), key=lambda number: (sizes[number], len(shares[number])))
        shares[least].append(blob)
        sizes[least] += blob.size
    return tuple(tuple(share) for share in shares)
