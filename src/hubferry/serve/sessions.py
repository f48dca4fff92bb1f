"""Who signed in with a browser: the cookie is a random name, the token stays in this process."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME = 12 * 3600.0
"""Seconds that a session lasts."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Session:
    token: str = field(repr=False)
    until: float


class Sessions:
    """Tokens by the name in a cookie. Nothing is written down: after a restart nobody is signed in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has signed in yet."""
        self._clock = clock
        self._known: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, token: str) -> str:
        """Return the name of a new session of whoever has `token`."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            self._known[_kept(name)] = _Session(token, self._clock() + LIFETIME)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return name

    def token(self, name: str | None) -> str | None:
        """Return the token of a session, None for one that nobody began or that has ended."""
        if not name:
            return None
        found = self._known.get(_kept(name))
        if found is None or found.until < self._clock():
            return None
        return found.token

    def end(self, name: str | None) -> None:
        """Forget a session."""
        with self._lock:
            self._known.pop(_kept(name or ""), None)


def _kept(name: str) -> str:
    """Return what a session is found by: looking it up must not tell how much of a name was right."""
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()
