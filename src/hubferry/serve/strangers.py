"""Connections that never say anything: aiohttp times out a connection only after its first request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Strangers:
    """Close connections that have sent no whole request for `patience` seconds, or up to twice as long."""

    def __init__(self, application: web.Application, patience: float) -> None:
        self._patience = patience
        self._greeted: set[object] = set()
        self._seen: set[object] = set()
        self._task: asyncio.Task[None] | None = None
        application.middlewares.insert(0, self._greet)

    def watch(self, server: web.Server) -> None:
        """Begin to look at a server's connections."""
        self._task = asyncio.get_running_loop().create_task(self._look(server))

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def _greet(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def greet(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            self._greeted.add(request.protocol)
            return await handler(request)

        return greet

    async def _look(self, server: web.Server) -> None:
        while True:
            await asyncio.sleep(self._patience)
            now = set(server.connections)
            self._greeted &= now
            for connection in now & self._seen - self._greeted:
                connection.force_close()
                if connection.transport is not None:
                    connection.transport.abort()
            self._seen = set(now)
