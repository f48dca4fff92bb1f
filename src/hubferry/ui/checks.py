"""Verifying models in this process: reading and hashing runs in threads, and a page shows how far it is."""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from hubferry.cache.foreign import is_ours
from hubferry.cache.verify import Scope, Verification, verify
from hubferry.errors import HubferryError
from hubferry.events import Progress

if TYPE_CHECKING:
    from hubferry.cache.listing import CachedModel
    from hubferry.events import Event

_LOGGER = logging.getLogger(__name__)
_KEPT = 20


@dataclass
class Check:
    """One verification.

    Attributes:
        model: What is read.
        begun: Seconds since 1970.
        total: Bytes to read, as far as the records say.
        done: Bytes read.
        found: What it came to; None while it runs, or after an error.
        error: Why it ended before its end.
        ended: Seconds since 1970; None while it runs.
    """

    model: CachedModel
    begun: float
    total: int
    done: int = 0
    found: Verification | None = None
    error: str | None = None
    ended: float | None = None
    _counting: Lock = field(default_factory=Lock, repr=False)
    _over: bool = False

    def stop(self) -> None:
        """End the reading at the next block."""
        self._over = True

    def hear(self, event: Event) -> None:
        """Count what several threads read."""
        if self._over:
            raise _StoppedError
        if isinstance(event, Progress):
            with self._counting:
                self.done += event.count


class _StoppedError(Exception):
    """End the threads of a verification: the pages come to their end."""


class Checks:
    """The verifications of this process, by the path of the model."""

    def __init__(self) -> None:
        self._all: dict[str, Check] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, model: CachedModel) -> Check | None:
        """Return the last verification of a model as it is now: a page is written in a thread meanwhile."""
        return copy.copy(self._all.get(str(model.path)))

    @property
    def running(self) -> list[Check]:
        """Those that are at it, as they are now."""
        return [copy.copy(one) for one in self._all.values() if one.ended is None]

    @property
    def version(self) -> tuple[object, ...]:
        """Another value whenever there is something else to show, once a second at most while one runs."""
        at = round(time.monotonic()) if self.running else 0
        return (at, len(self._all), sum(one.ended is not None for one in self._all.values()))

    def begin(self, model: CachedModel) -> None:
        """Verify a model, unless that is done already."""
        before = self.of(model)
        if before is not None and before.ended is None:
            return
        self._all.pop(str(model.path), None)
        while len(self._all) >= _KEPT and (ended := self._oldest_ended()) is not None:
            del self._all[ended]
        check = self._all[str(model.path)] = Check(model, time.time(), model.size)
        task = asyncio.create_task(self._run(check))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End those that are at it; nothing is lost but the time."""
        for check in self._all.values():
            check.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _oldest_ended(self) -> str | None:
        return next((name for name, one in self._all.items() if one.ended is not None), None)

    @staticmethod
    async def _run(check: Check) -> None:
        try:
            check.found = await asyncio.to_thread(
                verify,
                check.model.path,
                scope=Scope(full=True),
                listen=check.hear,
                record=is_ours(check.model),
            )
        except _StoppedError:
            pass
        except HubferryError as error:
            check.error = error.sentence
        except Exception as error:
            _LOGGER.exception("verifying %s failed", check.model.path)
            check.error = str(error) or type(error).__name__
        finally:
            check.ended = time.time()
