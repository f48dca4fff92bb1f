"""Send one body of a known length from an asynchronous iterator, or nothing at all."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, IntegrityError, NetworkError, Side
from hubferry.hubs.http import SILENCE_SECONDS, HubClient, Request, host_of
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from hubferry.hubs.answers import Answer

ANSWER_SECONDS = 600.0
"""Storage may hash a large blob before it answers."""


async def put(
    client: HubClient,
    url: str,
    body: AsyncGenerator[bytes, None],
    size: int,
    *,
    headers: Mapping[str, str] | None = None,
    trusted: bool = False,
) -> Answer:
    """PUT exactly `size` bytes to `url` and return the answer, whatever its status.

    Raises:
        IntegrityError: The body is longer or shorter than it should be; the request was broken off.
        NetworkError: The connection broke off, or took nothing for a minute.
        Exception: Whatever `body` raised; the request was broken off.
    """
    sending = _Sending(body, size, client.side)
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
        return await asked
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

    def __init__(self, body: AsyncGenerator[bytes, None], size: int, side: Side) -> None:
        self.error: BaseException | None = None
        self._body = body
        self._size = size
        self._side: Side = side
        self._handed = 0
        self._taken = asyncio.Event()
        self._taken.set()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; aiohttp would cut a longer one to length and say nothing."""
        try:
            async with aclosing(self._body) as pieces:
                async for piece in pieces:
                    self._handed += len(piece)
                    if self._handed > self._size:
                        raise self._wrong_size()
                    self._taken.clear()
                    yield piece
                    self._taken.set()
            if self._handed != self._size:
                raise self._wrong_size()
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:
            self.error = error
            raise

    async def stalled(self) -> None:
        """Return when a piece was not taken for a minute. Waiting for the body itself does not count."""
        while True:
            await asyncio.sleep(1.0)
            if self._taken.is_set():
                continue
            before = self._handed
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._taken.wait(), SILENCE_SECONDS)
            if self._handed == before and not self._taken.is_set() and before < self._size:
                return

    def _wrong_size(self) -> IntegrityError:
        return IntegrityError(
            _("A blob is not as long as it should be: {size} bytes.").format(size=self._size), side=self._side
        )
