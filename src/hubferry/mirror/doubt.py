"""Which files came wrong while somebody read them: whoever goes on in their middle might keep the wrong part.

Of such a file ranges that begin in its middle are not given for a week, so that every client begins anew.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from hubferry.cache.disk import disk
from hubferry.cache.roots import create_root, make_directories
from hubferry.errors import DiskError
from hubferry.mirror.memory import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

_WEEK = 7 * 86400.0
_MOST = 10_000
_LARGEST = 4 << 20


class Doubt:
    """Remembers them, on disk as well: a client may come back after the mirror was started anew."""

    def __init__(self, root: Path | None) -> None:
        """Remember below `root`."""
        self._root = root
        self._place = None if root is None else root / FOLDER / "doubted.json"
        self._until: dict[str, float] = {}
        with suppress(OSError, ValueError, RecursionError):
            content = None if self._place is None else disk.read_record(self._place, _LARGEST)
            self._until = msgspec.json.decode(content or b"{}", type=dict[str, float])

    def __contains__(self, name: object) -> bool:
        return self._until.get(str(name), 0.0) > time.time()

    def add(self, name: str) -> None:
        """Remember a file by the digest that it ought to have."""
        now = time.time()
        kept = {key: until for key, until in self._until.items() if until > now}
        self._until = dict(list(kept.items())[-_MOST:]) | {name: now + _WEEK}
        if self._place is None or self._root is None:
            return
        with suppress(OSError, DiskError):
            create_root(self._root)
            make_directories(self._place.parent)
            temporary = self._place.with_name("doubted.json.new")
            descriptor = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                disk.pwrite_all(descriptor, [msgspec.json.encode(self._until)], 0)
                disk.fsync(descriptor)
            finally:
                disk.close(descriptor)
            disk.replace(temporary, self._place)
