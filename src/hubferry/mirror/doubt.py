"""Who has had bytes of a file that came wrong: going on in its middle, he would keep the wrong part.

Such a client is not given ranges that begin in the middle of that file for a day, so that he begins anew.
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
    from collections.abc import Iterable
    from pathlib import Path

_DAY = 86400.0
_EVERYBODY = "*"
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

    def about(self, name: str, client: str) -> bool:
        """Return whether a client may have wrong bytes of the file with this digest."""
        now = time.time()
        return any(self._until.get(f"{name} {who}", 0.0) > now for who in (client, _EVERYBODY))

    def add(self, name: str, clients: Iterable[str] | None) -> None:
        """Remember who has had bytes of a file, by the digest that it ought to have; None is everybody."""
        now = time.time()
        kept = {key: until for key, until in self._until.items() if until > now}
        self._until = dict(list(kept.items())[-_MOST:])
        self._until |= {f"{name} {who}": now + _DAY for who in (_EVERYBODY,) if clients is None}
        self._until |= {f"{name} {who}": now + _DAY for who in clients or ()}
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
