"""Work side by side: the first failure ends all of it, and what comes out is the one that tells most."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hubferry.errors import most_telling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future

First = TypeVar("First")
Second = TypeVar("Second")
Result = TypeVar("Result")


class Threads(ThreadPoolExecutor):
    """Threads that speak the language of whoever hands them work, as `asyncio.to_thread` does."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Run a function in one of them, in the context of the caller."""
        return super().submit(copy_context().run, fn, *args, **kwargs)


@overload
async def run_all(first: Awaitable[First], second: Awaitable[Second], /) -> tuple[First, Second]: ...


@overload
async def run_all(*jobs: Awaitable[Result]) -> tuple[Result, ...]: ...


async def run_all(*jobs: Awaitable[Any]) -> tuple[Any, ...]:
    """Run jobs side by side and return what each returns, in order.

    When one fails the others are cancelled, and have ended before its error comes out: what they would have
    said of being broken off is nobody's news.

    Raises:
        BaseException: Of those that failed first, at once, the most telling one.
    """
    tasks = [asyncio.ensure_future(job) for job in jobs]
    if not tasks:
        return ()
    try:
        done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in tasks if task in done and not task.cancelled() and task.exception()]
        errors = [error for error in (task.exception() for task in failed) if error is not None]
        if errors:
            raise most_telling(errors)
        return tuple(task.result() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def to_the_end(job: Awaitable[Result]) -> Result:
    """Return what a job returns. It runs to its end even when whoever waits for it is cancelled.

    For work in a thread, which nothing can stop: what it writes is written before anything after it is done.
    """
    task = asyncio.ensure_future(job)
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])
