"""Server-sent events: an open answer that says when something has changed, and is silent otherwise."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hubferry.pages.headers import COMMON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ENDING: web.AppKey[asyncio.Event] = web.AppKey("pages ending", asyncio.Event)
"""Set when the application goes down: a stream that is open would hold it up."""
BEAT = 20.0
"""Seconds of silence after which a line says that the connection is alive."""
_RETRY = 10_000
"""Milliseconds that a browser waits before it connects again."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        data: What the page is told; for `changed` the names of the parts, in JSON.
        name: What kind of thing it is.
        id: What the browser says as `Last-Event-ID` when it comes back; empty for nothing.
    """

    data: str = "[]"
    name: str = "changed"
    id: str = ""

    def encode(self) -> bytes:
        """Return it as it goes over the wire."""
        lines = [f"id: {self.id}"] if self.id else []
        lines += [f"event: {self.name}", *(f"data: {line}" for line in self.data.splitlines() or [""])]
        return ("\n".join(lines) + "\n\n").encode()


async def events(
    request: web.Request, source: Callable[[str | None], AsyncIterator[Event]], *, beat: float = BEAT
) -> web.StreamResponse:
    """Answer with the events of `source` until the reader leaves or there are no more.

    Args:
        request: Whom to answer.
        source: Called with the id of the last event that the reader has seen, None at first.
        beat: Seconds between signs of life while nothing happens; nothing else is done meanwhile.
    """
    headers = {**COMMON, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(request)
    if request.method == "HEAD":
        return answer
    ending = asyncio.ensure_future(request.app.get(ENDING, asyncio.Event()).wait())
    coming = source(request.headers.get("Last-Event-ID")).__aiter__()
    waiting: asyncio.Future[Event | None] | None = None
    try:
        await answer.write(f"retry: {_RETRY}\n\n".encode())
        while True:
            waiting = waiting or asyncio.ensure_future(_next(coming))
            both: set[asyncio.Future[Any]] = {waiting, ending}
            done, _left = await asyncio.wait(both, timeout=beat, return_when=asyncio.FIRST_COMPLETED)
            if ending in done:
                return answer
            if not done:
                await answer.write(b":\n\n")
                continue
            event, waiting = waiting.result(), None
            if event is None:
                return answer
            await answer.write(event.encode())
    except ConnectionError:
        return answer
    finally:
        ending.cancel()
        if waiting is not None:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
        close = getattr(coming, "aclose", None)
        if close is not None:
            await close()


async def _next(coming: AsyncIterator[Event]) -> Event | None:
    """Return the next event, None at the end: a task cannot end with StopAsyncIteration."""
    async for event in coming:
        return event
    return None
