"""One HTTP/1.1 connection: one request at a time, its answer's head, and its body as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from hubferry.model import Span
from hubferry.wire import encryption, files
from hubferry.wire.failures import BrokenOffError
from hubferry.wire.head import HeadParser

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Callable

    from hubferry.wire.head import Head

PIECE = 1024 * 1024
"""Bytes in a buffer that is filled before it is handed on: what one visit to the disk is worth."""
PATIENCE = 0.1
"""Seconds after which less than that is handed on, too: somebody waits for it."""
_SCRATCH = 64 * 1024
_NONE = memoryview(b"")
"""Stands for the next buffer, which is made when there is something for it."""
_BODYLESS = ("HEAD", "CONNECT")
"""Answered without a body, whatever the answer's head says; a refused CONNECT leads to nothing more."""


@dataclass(slots=True)
class Buffers:
    """Buffers of PIECE bytes that nobody uses now; there are never more than two for each connection."""

    spare: list[memoryview] = field(default_factory=list)


class Connection(asyncio.BufferedProtocol):
    """A connection that is open. Lives on the event loop; the socket is read into buffers that are handed on.

    A body of known length goes past the parser: the kernel writes it to where it is taken from. Everything
    else (heads, chunked bodies, bodies that end with the connection) is llhttp's.
    """

    def __init__(self, buffers: Buffers, on_lost: Callable[[Connection], None]) -> None:
        """Wait for a transport; `on_lost` is told when an idle connection ends."""
        self._buffers = buffers
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._scratch = memoryview(bytearray(_SCRATCH))
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self.idle_since = 0.0
        self.used = False
        self._rest()

    def _rest(self) -> None:
        """Forget the exchange that is over."""
        self._parser: HeadParser | None = None
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._silent_since = 0.0
        self._buffer: memoryview | None = None
        self._filled = 0
        self._left = 0
        self._ready: deque[memoryview] = deque()
        self._hungry = False
        self._ended = False
        self._paused = False
        self._surplus = False
        self._ended_properly = False

    # -- what the event loop tells ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called again when a tunnel becomes encrypted."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go."""
        del sizehint
        if self._buffer is None:
            return self._scratch
        if self._buffer is _NONE:
            self._buffer = self._new_buffer(self._left)
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take in bytes."""
        self._silent_since = self._loop.time()
        if self._buffer is not None:
            self._filled += nbytes
            self._left -= nbytes
            if not self._left or self._filled == len(self._buffer):
                self._buffer_is_full()
            elif self._hungry:
                self._wake()
        elif self._parser is not None and not self._ended:
            self._parse(self._parser, self._scratch[:nbytes])
        else:
            self._surplus = True
            if self._parser is None:
                self.abort()  # nobody has asked anything

    def eof_received(self) -> bool:
        """Let the transport close."""
        self._ended_properly = encryption.ended_properly(self._transport)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange that is under way."""
        if not self.lost.done():
            self.lost.set_result(None)
        self._writable.set()
        parser = self._parser
        if parser is None:
            self._on_lost(self)
        elif not self._ended:
            if exc is None and parser.until_the_end and self._ended_properly:
                self._end()
            else:
                self._fail(exc or BrokenOffError())

    def pause_writing(self) -> None:
        """Let the sender wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let the sender go on."""
        self._writable.set()

    # -- one exchange -------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it may be used for another request."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(
        self,
        method: str,
        head: bytes,
        body: bytes | AsyncGenerator[memoryview | Span, None] | None,
        silence: float,
    ) -> Head:
        """Send a request; return the head of its answer, which may come before the body was sent.

        Raises:
            ConnectionError, OSError: The connection ended.
            TimeoutError: Nothing came for `silence` seconds after everything had been sent.
            Exception: What `body` raised.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise BrokenOffError
        self._rest()
        parser = self._parser = HeadParser(bodyless=method in _BODYLESS)
        self._watch(silence)
        if body is None or isinstance(body, bytes):
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            self._sender = self._loop.create_task(self._send(body))
        while parser.head is None:
            await self._news()
        return parser.head

    async def pieces(self) -> AsyncGenerator[memoryview, None]:
        """Yield the body in pieces of up to PIECE bytes, each good until the next one is asked for.

        A piece is handed on when it is full, or after PATIENCE seconds.
        """
        while True:
            if not self._ready and not self._ended:
                await self._patiently()
            piece = self._take()
            if piece is None:
                return
            yield piece
            self._recycle(piece)
            piece.release()  # who kept it is told so

    async def body(self, most: int) -> bytearray:
        """Return the body; of one that is longer than `most` bytes, more than those, and not all."""
        body = bytearray()
        while len(body) <= most:
            while not self._ready and not self._ended and not (self._filled and self._error is not None):
                await self._news()
            piece = self._take()
            if piece is None:
                break
            body += piece
            self._recycle(piece)
            piece.release()
        return body

    @property
    def at_end(self) -> bool:
        """Whether all of the answer was taken."""
        return self._ended and not self._ready and not self._filled

    @property
    def reusable(self) -> bool:
        """Whether the exchange ended so that another may follow."""
        parser, sender = self._parser, self._sender
        sent = sender is None or (sender.done() and not sender.cancelled() and sender.exception() is None)
        kept = parser is not None and parser.head is not None and parser.keeps_alive
        return self.at_end and kept and sent and not self._surplus and self.is_open

    async def release(self) -> None:
        """End the exchange; a connection that is not `reusable` is gone."""
        if not self.reusable:
            self.abort()
        self._stop_watching()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        self._rest()
        self.used = True
        self.idle_since = self._loop.time()

    def abort(self) -> None:
        """Close at once; nothing that was not sent yet will be."""
        if self._transport is not None:
            self._transport.abort()

    async def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Go on encrypted, after a CONNECT was granted."""
        self._stop_watching()
        self._rest()
        assert self._transport is not None  # noqa: S101 - an answer came over it
        self._transport = await self._loop.start_tls(self._transport, self, context, server_hostname=host)

    # -- inside -------------------------------------------------------------------------------------------

    async def _send(self, body: AsyncGenerator[memoryview | Span, None]) -> None:
        out = files.Way()
        try:
            async with aclosing(body), aclosing(out):
                async for piece in body:
                    await self._writable.wait()
                    if self._transport is None or self._transport.is_closing():
                        return  # why, the answer's side will say
                    encrypting = getattr(self._transport, "send", None)
                    if encrypting is not None:
                        await encrypting(piece)
                    elif isinstance(piece, Span):
                        await out.send(self._transport, piece)
                    else:
                        self._transport.write(piece)
            await self._writable.wait()
            self._silent_since = self._loop.time()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # it is raised by whoever waits for the answer
            self._fail(error)
            self.abort()

    def _parse(self, parser: HeadParser, data: memoryview) -> None:
        try:
            parser.feed(data)
        except BrokenOffError as error:
            self._fail(error)
            self.abort()
            return
        length = parser.left
        if length is not None and not parser.complete:
            self._direct(parser, length)
        else:
            self._ready.extend(memoryview(piece) for piece in parser.take_body())
            if sum(map(len, self._ready)) > PIECE:
                self._pause()
        self._surplus = self._surplus or parser.surplus
        if parser.complete:
            self._end()
        elif parser.head is not None:
            self._wake()

    def _direct(self, parser: HeadParser, left: int) -> None:
        """Let the rest of the body go straight into a buffer, behind what came with the head."""
        there = parser.take_body()
        begun = sum(map(len, there))
        self._left = left
        self._buffer = self._new_buffer(begun + left)
        for piece in there:
            self._buffer[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)

    def _new_buffer(self, wanted: int) -> memoryview:
        if wanted >= PIECE and self._buffers.spare:
            return self._buffers.spare.pop()
        return memoryview(bytearray(min(max(wanted, 1), PIECE)))

    def _buffer_is_full(self) -> None:
        assert self._buffer is not None  # noqa: S101 - only called while one is filled
        self._ready.append(self._buffer[: self._filled])
        self._filled = 0
        if self._left:
            if self._waiter is None or self._waiter.done():
                self._pause()  # two pieces are enough: one at work, one waiting
            self._buffer = _NONE
            self._wake()
        else:
            self._buffer = None
            self._end()

    def _take(self) -> memoryview | None:
        """Return what is to be handed on: a full piece, else what there is of one."""
        if self._ready:
            piece = self._ready.popleft()
        elif self._buffer is not None and self._filled:
            piece, self._filled, self._buffer = self._buffer[: self._filled], 0, _NONE
        else:
            return None
        if self._paused:
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return piece

    def _recycle(self, piece: memoryview) -> None:
        whole = piece.obj
        if isinstance(whole, bytearray) and len(whole) == PIECE:
            self._buffers.spare.append(memoryview(whole))

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    async def _patiently(self) -> None:
        """Wait for a full piece or the end, but not long when there is something.

        What came before something went wrong is handed on before that is raised.
        """
        timer = self._loop.call_later(PATIENCE, self._grow_hungry)
        try:
            while not self._ready and not self._ended:
                if self._filled and (self._hungry or self._error is not None):
                    return
                await self._news()
        finally:
            timer.cancel()
            self._hungry = False

    def _grow_hungry(self) -> None:
        self._hungry = True
        self._wake()

    async def _news(self) -> None:
        """Wait until something has come; raise what went wrong."""
        if self._error is None and not self._ended:
            waiter = self._waiter = self._loop.create_future()
            self._silent_since = max(self._silent_since, self._loop.time())
            try:
                await waiter
            finally:
                self._waiter = None
        if self._error is not None and not self._filled:
            raise self._error

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _watch(self, silence: float) -> None:
        """Break off when nothing is heard for so long; what is not waited for may take its time."""
        self._silent_since = self._loop.time()

        def look() -> None:
            sending = self._sender is not None and not self._sender.done()
            quiet = self._loop.time() - self._silent_since
            if self._waiter is not None and not sending and quiet >= silence:
                self._fail(TimeoutError())
                self.abort()
                return
            pause = silence if sending or self._waiter is None else silence - quiet
            self._silence = self._loop.call_later(pause, look)

        self._silence = self._loop.call_later(silence, look)

    def _stop_watching(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
