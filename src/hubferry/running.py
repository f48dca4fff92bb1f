"""Run a coroutine for who calls a plain function, also where an event loop runs already, as in a notebook.

The rule: without a running loop the work runs in the calling thread, on a loop of its own. With one it runs
in a thread of its own, while the calling thread waits and hears the events: whoever listens is always called
in the thread of the call. Ctrl-C there cancels the work, waits until it has ended, and goes on its way.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hubferry.events import Event, Listener

Result = TypeVar("Result")

_BEHIND = 256
"""Events that may wait to be heard; then the work waits, as it does for a listener that is slow."""
_LOOK_UP = 0.2
"""Seconds after which a wait is begun anew: not every system interrupts one for Ctrl-C."""


def run(work: Callable[[Listener], Coroutine[object, object, Result]], listen: Listener) -> Result:
    """Run `work`, which gets a listener, to its end; `listen` is called in this thread.

    A second Ctrl-C does not wait for the end: the work goes on ending by itself.
    """
    return _Aside(work).run(listen) if _is_running() else _on_a_loop(work(listen))


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _on_a_loop(work: Coroutine[object, object, Result]) -> Result:
    try:
        import uvloop
    except ImportError:  # Windows, or another interpreter than CPython
        return asyncio.run(work)
    return uvloop.run(work)


class _Aside(Generic[Result]):
    """One piece of work in a thread of its own."""

    def __init__(self, work: Callable[[Listener], Coroutine[object, object, Result]]) -> None:
        self._work = work
        self._heard: queue.Queue[Event | None] = queue.Queue(_BEHIND)
        self._running = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Result] | None = None
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self, listen: Listener) -> Result:
        """Start the thread and hear its events until it ends."""
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._live,), name="hubferry", daemon=True)
        thread.start()
        try:
            while (event := self._next()) is not None:
                listen(event)
        except BaseException:
            self._cancel()
            while self._next() is not None:  # the work may be waiting for somebody to hear it
                pass
            thread.join()
            raise
        thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _next(self) -> Event | None:
        while True:
            with suppress(queue.Empty):
                return self._heard.get(timeout=_LOOK_UP)

    def _live(self) -> None:
        try:
            self._results.append(_on_a_loop(self._main()))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the call was made
            self._error = error
        finally:
            self._running.set()
            self._heard.put(None)

    async def _main(self) -> Result:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._work(self._heard.put))
        self._running.set()
        return await self._task

    def _cancel(self) -> None:
        self._running.wait()
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._task.cancel)
