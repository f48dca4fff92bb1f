"""Send one body of a known length from an asynchronous iterator, or nothing at all."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, IntegrityError, NetworkError, Side
from hubferry.hubs.http import mistaken
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.client import HubClient, Request
from hubferry.hubs.ports import FileBody
from hubferry.i18n import _
from hubferry.model import Span

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.ports import Body

ANSWER_SECONDS = 600.0
"""Storage may hash a large blob before it answers."""
_PIECE = 1 << 18
"""Bytes that even a slow line takes in time."""
_LARGE_PIECE = 1 << 20
_FAST_SECONDS = 0.5
"""A line that took a piece in less takes a larger one: each costs the event loop a turn."""


def started(client: HubClient, url: str, body: Body) -> AsyncGenerator[bytes | Span, None]:
    """Start reading a body for a PUT to `url`: as spans of a file where the system can send those."""
    if isinstance(body, FileBody) and client.sends_files(url):
        return body.spans()
    return body()


async def put(
    client: HubClient,
    url: str,
    body: AsyncGenerator[bytes | Span, None],
    size: int,
    *,
    headers: Mapping[str, str] | None = None,
    trusted: bool = False,
) -> Answer:
    """PUT exactly `size` bytes to `url` and return the answer, whatever its status.

    Raises:
        IntegrityError: The body is longer or shorter than it should be; the request was broken off.
        NetworkError: The connection broke off, took nothing for a while, or claims success early.
        Exception: Whatever `body` raised; the request was broken off.
    """
    sending = _Sending(body, size, client.side, client.silence)
    length = {**(headers or {}), "Content-Length": str(size)}
    request = Request("PUT", url, length, sending.pieces(), silence=ANSWER_SECONDS, trusted=trusted)
    asked = asyncio.ensure_future(client.ask(request))
    watch = asyncio.ensure_future(sending.stalled())
    try:
        await asyncio.wait({asked, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise NetworkError(
                _("{host} has stopped taking bytes.").format(host=host_of(url)), side=client.side
            )
        return sending.held_against(await asked)
    except (HubferryError, asyncio.CancelledError):
        if sending.error is not None:
            raise sending.error from None
        raise
    finally:
        for task in (asked, watch):
            task.cancel()
        await asyncio.gather(asked, watch, return_exceptions=True)
        with suppress(RuntimeError):  # still being iterated when the answer came early
            await body.aclose()


class _Sending:
    """A body on its way: counts it, keeps what it raised, notices when the other side stops taking it."""

    def __init__(
        self, body: AsyncGenerator[bytes | Span, None], size: int, side: Side, silence: float
    ) -> None:
        self.error: BaseException | None = None
        self._body = body
        self._size = size
        self._side: Side = side
        self._silence = silence
        self._handed = 0
        self._waiting = False

    async def pieces(self) -> AsyncGenerator[memoryview | Span, None]:
        """Yield the body in pieces so small that even a slow line takes one in time."""
        most = _PIECE
        try:
            async with aclosing(self._body) as pieces:
                async for piece in pieces:
                    whole = piece if isinstance(piece, Span) else memoryview(piece)
                    at = 0
                    while at < len(piece):
                        part, begun = whole[at : at + most], time.monotonic()
                        at += most
                        yield self._counted(part)
                        self._waiting = False
                        most = _LARGE_PIECE if time.monotonic() - begun < _FAST_SECONDS else _PIECE
            if self._handed != self._size:
                raise self._wrong_size()  # noqa: TRY301 - kept below, like what the body itself raises
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:
            self.error = error
            raise

    async def stalled(self) -> None:
        """Return when one piece was not taken for too long. Waiting for the body itself does not count."""
        while True:
            before = self._handed
            await asyncio.sleep(self._silence)
            if self._waiting and self._handed == before:
                return

    def held_against(self, answer: Answer) -> Answer:
        """Return the answer, unless it claims success for what was not sent to its end, or is a web page."""
        if answer.ok and self._handed < self._size:
            raise NetworkError(
                _("The hub says that it has a blob of which it took only a part."), side=self._side
            )
        if answer.ok and mistaken.is_page(answer.body):
            raise mistaken.not_understood(answer, host=host_of(answer.url), side=self._side)
        return answer

    def _counted(self, piece: memoryview | Span) -> memoryview | Span:
        # Content-Length is said already: more than that would be taken for the next request.
        if self._handed + len(piece) > self._size:
            raise self._wrong_size()
        self._handed += len(piece)
        self._waiting = True
        return piece

    def _wrong_size(self) -> IntegrityError:
        return IntegrityError(
            _("A blob is not as long as it should be: {size} bytes.").format(size=self._size), side=self._side
        )
