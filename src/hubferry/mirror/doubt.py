"""Who has had bytes of a file that came wrong: going on in its middle, he would keep the wrong part.

Such a client is not given ranges that begin in the middle of that file for a day, so that he begins anew.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubferry.mirror.notes import Notes

_DAY = 86400.0
_EVERYBODY = "*"
_MOST = 10_000
_LARGEST = 4 << 20
_NAME = "doubted.json"


class Doubt:
    """Remembers them, on disk as well: a client may come back after the mirror was started anew."""

    def __init__(self, notes: Notes) -> None:
        """Remember in `notes`."""
        self._notes = notes
        self._until: dict[str, float] = notes.read(_NAME, dict[str, float], _LARGEST) or {}

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
        self._notes.write(_NAME, msgspec.json.encode(self._until), durable=True)
