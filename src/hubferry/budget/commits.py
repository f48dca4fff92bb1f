"""Commits an hour at a hub, of every run and process of this account: a sliding window in a file.

`<state>/budgets/<hub>/commits` has one line for each commit of the last hour: when it was begun, in seconds
since 1970. A line is there before its commit is sent, so that the commit of a run that was killed counts; it
stays when the hub refused, as the hub has counted that one, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hubferry import locking, places, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR = 3600.0
_LOCK_SECONDS = 0.02
"""Between two tries to get the lock: whoever has it has it for a few milliseconds."""
_PATIENCE = 10.0
"""Seconds after which whoever has the lock is taken for a process that was stopped."""
_LARGEST = 1 << 20
_SPOKEN = re.compile(r"[^a-z0-9.-]+")


def reserve(made: list[float], now: float, per_hour: int) -> tuple[list[float], float]:
    """Count one commit among those that were made.

    Args:
        made: When, in seconds since 1970, in any order.
        now: Likewise.
        per_hour: Most in an hour.

    Returns:
        Those of the last hour, with this one where it may be made; and the seconds to wait, 0 for none.
    """
    recent = sorted(min(one, now) for one in made if now - one < HOUR)  # a clock may have been set back
    if len(recent) < per_hour:
        return [*recent, now], 0.0
    return recent, max(recent[-per_hour] + HOUR - now, 0.001)


class StateKeeper:
    """Count in the account's state directory; where none can be written, in this process alone."""

    def __init__(
        self, place: Callable[[], Path | None] = places.state, wall: Callable[[], float] = time.time
    ) -> None:
        """Prepare; nothing is made before there is something to count."""
        self._place = place
        self._wall = wall
        self._unkept: defaultdict[str, list[float]] = defaultdict(list)

    async def reserve_commit(self, hub: str, per_hour: int) -> float:
        """Count one commit; see `budget.Keeper`."""
        return await asyncio.to_thread(self.reserve_now, hub, per_hour)

    def connections(self, hub: str, most: int) -> int:
        """Return all of them: nobody else shares."""
        del hub
        return most

    def reserve_now(self, hub: str, per_hour: int) -> float:
        """Do what `reserve_commit` does, at once."""
        state = self._place()
        if state is not None:
            with suppress(OSError):
                folder = state / "budgets" / _named(hub)
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with _locked(folder):
                    return self._reserve(folder / "commits", per_hour)
        self._unkept[hub], seconds = reserve(self._unkept[hub], self._wall(), per_hour)
        return seconds

    def _reserve(self, path: Path, per_hour: int) -> float:
        made, seconds = reserve(_read(path), self._wall(), per_hour)
        if not seconds:
            _write(path, made)
        return seconds


def _named(hub: str) -> str:
    """Return a directory's name for a hub: one that a person recognises, and no other hub has."""
    spoken = _SPOKEN.sub("-", hub.partition("://")[2].lower())[:40].strip("-.")
    return f"{spoken}-{hashlib.sha256(hub.encode()).hexdigest()[:12]}"


def _read(path: Path) -> list[float]:
    """Return the times of a file; a line that is none is nobody's commit."""
    made = []
    for line in (records.read(path, _LARGEST) or b"").split():
        with suppress(ValueError):
            made.append(float(line))
    return [one for one in made if 0 < one < float("inf")]


def _write(path: Path, made: list[float]) -> None:
    """Put another file in the place of this one: a crash leaves the one or the other."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with fresh.open("x", encoding="ascii") as file:
            file.write("".join(f"{one:.3f}\n" for one in made))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        OSError: It cannot be had.
    """
    until = time.monotonic() + _PATIENCE
    while (lock := locking.try_lock(folder)) is None:
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(_LOCK_SECONDS)
    try:
        yield
    finally:
        lock.release()
