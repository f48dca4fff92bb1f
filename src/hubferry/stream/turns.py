"""Whose turn it is to be sent: places for uploads, as many as `abreast` says, and a way back to the queue."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from hubferry.stream.abreast import Abreast, Sending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_WORTH_PUTTING_BACK = 4 * 1024 * 1024
"""Bytes of a blob that is worth a task of its own: smaller ones are through before anything is measured."""


class Turn:
    """One turn of an upload, which says where it stands and hears whether it was put back."""

    def __init__(self, one: Sending, moved: Callable[[Sending, int, int], None]) -> None:
        self._one = one
        self._moved = moved

    @property
    def put_back(self) -> bool:
        """Whether it was broken off to wait again."""
        return self._one.put_back

    def moved(self, position: int, count: int) -> None:
        """Say that `count` bytes were sent, and that this is now the place up to which all are."""
        self._moved(self._one, position, count)


class Turns:
    """Let uploads go a few at a time; one that is put back waits again, and begins anew."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        """Let `most` go at once at most; `now` is a steady clock."""
        self._abreast = Abreast(most)
        self._now = now
        self._active: list[Sending] = []
        self._waiting: dict[Sending, asyncio.Future[None]] = {}
        self._tasks: dict[Sending, asyncio.Future[None]] = {}

    async def take(self, size: int, send: Callable[[Turn], Awaitable[None]]) -> None:
        """Run `send` when its turn has come, and again when it was put back."""
        while True:
            one = Sending(size)
            await self._turn(one)
            try:
                if await self._run(one, send(Turn(one, self._moved))):
                    return
            finally:
                self._active.remove(one)
                self._wake()

    async def _turn(self, one: Sending) -> None:
        if not self._waiting and self._abreast.choose([one], len(self._active)) is one:
            self._active.append(one)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[one] = turn
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(one, None)
            if one in self._active:
                self._active.remove(one)
                self._wake()
            raise

    async def _run(self, one: Sending, work: Awaitable[None]) -> bool:
        """Return whether it was sent; a small one is never put back."""
        if one.size < _WORTH_PUTTING_BACK:
            await work
            return True
        task = self._tasks[one] = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task})
        finally:
            self._tasks.pop(one)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if one.put_back and (task.cancelled() or task.exception() is not None):
            return False
        task.result()
        return True

    def _moved(self, one: Sending, position: int, count: int) -> None:
        one.sent, before = position, self._abreast.rate
        doomed = self._abreast.moved(max(0, count), self._now(), self._active)
        for other in doomed:
            if other in self._tasks:
                other.put_back = True
                self._tasks[other].cancel()
        if self._abreast.rate != before:
            self._wake()

    def _wake(self) -> None:
        while self._waiting:
            chosen = self._abreast.choose(self._waiting, len(self._active))
            if chosen is None:
                return
            turn = self._waiting.pop(chosen)
            if not turn.done():  # who waited may have gone away just now
                self._active.append(chosen)
                turn.set_result(None)
