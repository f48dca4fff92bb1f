"""What can go wrong between a client and a hub, as middleware in front of a real hub.

An act gets the request and the hub's own handler; it answers itself, or spoils what the handler answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvloop
from aiohttp import web

from hubferry.serve.application import LABELS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Act = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


_OVER: ContextVar[threading.Event] = ContextVar("over")
"""Set when the test is over, for whatever still stalls in this request."""


@dataclass
class Fault:
    """Do `act` to some requests.

    Attributes:
        routes: Which ones, as `AccessRecord.route` names them; empty for all.
        times: How often; None for good.
        skip: How many to let through first.
        after: A route that must have been answered before; empty for none.
        only: Whether it concerns this very request.
    """

    act: Act
    routes: tuple[str, ...] = ()
    times: int | None = 1
    skip: int = 0
    after: str = ""
    only: Callable[[web.Request], bool] = lambda _request: True
    struck: int = 0


@dataclass
class Faults:
    """The faults of one hub; `over` ends whatever still stalls."""

    planned: list[Fault] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    answered: set[str] = field(default_factory=set)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def plan(self, act: Act, *routes: str, **details: Any) -> Fault:
        fault = Fault(act, routes, **details)
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        self.planned.clear()
        self.answered.clear()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = LABELS.get(request.match_info.handler, "")
        self.seen.append((route, request.path_qs, dict(request.headers)))
        fault = next((one for one in self.planned if self._strikes(one, route, request)), None)
        try:
            if fault is None:
                return await handler(request)
            _OVER.set(self.over)
            return await fault.act(request, handler)
        finally:
            self.answered.add(route)

    def _strikes(self, fault: Fault, route: str, request: web.Request) -> bool:
        if (fault.routes and route not in fault.routes) or fault.after not in {"", *self.answered}:
            return False
        if not fault.only(request):
            return False
        if fault.skip:
            fault.skip -= 1
            return False
        if fault.times is not None and fault.struck >= fault.times:
            return False
        fault.struck += 1
        return True


def answer(status: int, body: Any = b"", **headers: str) -> Act:
    """Answer without asking the hub; `body` is bytes, or a value for JSON. `_` in a header's name is `-`."""

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if not isinstance(body, bytes):
            named.setdefault("Content-Type", "application/json")
        return web.Response(status=status, body=content, headers=named)

    return act


async def break_off(request: web.Request, *, reset: bool = True) -> web.StreamResponse:
    """Drop the connection: with a reset, or cleanly after what was written has left."""
    transport = request.transport
    if transport is not None:
        if reset:
            stream = transport.get_extra_info("socket")
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response()


def content_of(response: web.StreamResponse) -> bytes:
    """Return what an answer that was not yet sent is about to send."""
    path = getattr(response, "path", None)
    if path is not None:
        content: bytes = path.read_bytes()
        return content[response.start : response.stop]
    return bytes(getattr(response, "body", None) or b"")


Spoilt = tuple[int, dict[str, str], bytes]


def spoil(change: Callable[[web.Request, int, dict[str, str], bytes], Spoilt], *, reset: bool = False) -> Act:
    """Send another answer than the hub's own, byte by byte as told, then close the connection.

    Content-Length is that of the hub's own answer unless `change` sets another.
    """

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        body = content_of(response)
        headers = {name: value for name, value in response.headers.items() if name != "Transfer-Encoding"}
        headers["Content-Length"] = str(len(body))
        status, headers, body = change(request, response.status, headers, body)
        lines = [f"HTTP/1.1 {status} Spoilt", *(f"{k}: {v}" for k, v in headers.items()), "Connection: close"]
        transport = request.transport
        if transport is not None:
            transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            if reset:
                # give what was written the time to leave; a reset throws away what has not
                await asyncio.sleep(0.02)
        return await break_off(request, reset=reset)

    return act


async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Drop the connection before the first byte."""
    return await break_off(request)


async def lose_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do what was asked, and drop the connection instead of saying so."""
    await handler(request)
    return await break_off(request)


async def stall(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say nothing, and read nothing, until the test is over."""
    while not _OVER.get().is_set():  # noqa: ASYNC110 - it is set by another thread
        await asyncio.sleep(0.02)
    return await break_off(request)


def stall_after(count: int) -> Act:
    """Send `count` bytes of the answer's body, then nothing."""

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        body = content_of(response)
        head = [f"HTTP/1.1 {response.status} OK", f"Content-Length: {len(body)}"]
        if "Content-Range" in response.headers:
            head.append(f"Content-Range: {response.headers['Content-Range']}")
        assert request.transport is not None
        request.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body[:count])
        return await stall(request, handler)

    return act


def take_then(count: int, then: Act) -> Act:
    """Take `count` bytes of the request's body, then go on with `then`."""

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        taken = 0
        while taken < count:
            piece = await request.content.readany()
            if not piece:
                break
            taken += len(piece)
        return await then(request, handler)

    return act


def meanwhile(happening: Callable[[], Any], then: Callable[[], Any] = lambda: None) -> Act:
    """Let something happen just before the hub answers as ever; `then` is called when it has."""

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.get_running_loop().run_in_executor(None, happening)
        try:
            return await handler(request)
        finally:
            then()

    return act


def afterwards(happening: Callable[[], Any]) -> Act:
    """Let something happen after the hub did what was asked, before it says so."""

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        await asyncio.get_running_loop().run_in_executor(None, happening)
        return response

    return act


def rewrite(change: Callable[[Any], Any]) -> Act:
    """Change the JSON of the hub's own answer."""

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        value = change(json.loads(content_of(response)))
        kept = {name: value for name, value in response.headers.items() if name == "Link"}
        return web.Response(
            status=response.status,
            body=json.dumps(value).encode(),
            headers=kept | {"Content-Type": "application/json"},
        )

    return act


class Door:
    """A TCP proxy in front of a hub that can be shut: then connections are refused, and open ones drop."""

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        # asyncio's own loop loses, on Python 3.11, who is let in while the listener closes
        self._loop = uvloop.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @contextlib.contextmanager
    def standing(self) -> Iterator[Door]:
        thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)
        thread.start()
        self.open()
        try:
            yield self
        finally:
            self.shut()
            asyncio.run_coroutine_threadsafe(self._settle(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def shut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def open_later(self, seconds: float) -> None:
        """Open it again by and by, wherever the caller is."""
        self._loop.call_soon_threadsafe(
            lambda: self._loop.call_later(
                seconds, lambda: self._tasks.add(self._loop.create_task(self._listen()))
            )
        )

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self._is_open = True

    async def _close(self) -> None:
        self._is_open = False
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _settle(self) -> None:
        mine = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        await asyncio.sleep(0.02)  # what was aborted is closed in the loop's next turns

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = {writer}
        self._open.add(writer)
        try:
            # whoever was let in while the door fell shut stays outside
            if self._is_open:
                there, back = await asyncio.open_connection(*self._target)
                mine.add(back)
                self._open.add(back)
            if self._is_open:
                await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self._open -= mine
            for one in mine:
                one.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
