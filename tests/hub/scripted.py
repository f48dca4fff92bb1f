"""A server on loopback that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from servers import TestHub


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def has_token(self) -> bool:
        return "Authorization" in self.headers or "Cookie" in self.headers


@dataclass
class Scripted:
    """A running server; `url` without a slash at its end."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)

    def asked(self, part: str) -> list[Seen]:
        return [one for one in self.seen if part in one.path]


@contextlib.asynccontextmanager
async def scripted(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], *, reads: bool = True
) -> AsyncIterator[Scripted]:
    """Run a server whose every answer is `handler`'s; `reads` takes the request's body first."""
    server = Scripted()

    async def handle(request: web.Request) -> web.StreamResponse:
        one = Seen(request.method, request.path_qs, dict(request.headers))
        server.seen.append(one)
        if reads:
            one.body = await request.read()
        return await handler(request)

    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def count_of(hub: TestHub, route: str, expected: int) -> int:
    """Return how many requests a hub has answered; it counts one only after its answer has left."""
    for _again in range(200):
        if hub.requests.count(route) >= expected:
            break
        await asyncio.sleep(0.01)
    return hub.requests.count(route)


async def cut(request: web.Request, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    """Send a head and some bytes, then drop the connection."""
    await response.prepare(request)
    await response.write(body)
    assert request.transport is not None
    request.transport.close()
    return response
