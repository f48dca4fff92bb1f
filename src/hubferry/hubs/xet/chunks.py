"""Read pieces of files out of one chunk server with the official Rust client, from asyncio.

`hf_xet` blocks whoever waits for it, and does not drop one stream while a thread waits for that stream
(`cancel` raises "Already borrowed" then); only a whole group can be aborted. So a piece is small, is read by
a daemon thread that nobody has to wait for, and a stall ends the group.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hubferry.hubs.xet.access import NoXetError
from hubferry.hubs.xet.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.hubs.xet.access import Access

_SETTINGS = {"telemetry.enabled": False, "client.retry_max_attempts": 1}
"""What is read with whom is nobody else's business; and who waits for a retry could be reading plainly."""
_PATIENCE = 5
"""A piece may take so many times the silence allowed as long as others arrive: they share one line."""
_LAST_SECONDS = 2.0


class Chunks:
    """One chunk server, opened with one token.

    Attributes:
        access: What it was opened with.
    """

    def __init__(self, access: Access, silence: float) -> None:
        """Prepare; `silence` is for how many seconds nothing at all may arrive."""
        self.access = access
        self._silence = silence
        self._heard = time.monotonic()
        self._group: asyncio.Future[Any] | None = None
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def read(self, xet_hash: str, size: int, start: int, stop: int) -> list[bytes]:
        """Return bytes `start` to `stop` of the file of that Merkle hash and `size`, in order.

        Raises:
            NoXetError: Anything went wrong, or nothing arrived for too long.
        """
        if self._closed:
            raise NoXetError
        if self._group is None:
            self._group = self._in_thread(self._open)
        group = await self._watched(self._group)
        if self._closed:
            raise NoXetError
        pieces: list[bytes] = await self._watched(
            self._in_thread(lambda: self._read(group, xet_hash, size, start, stop))
        )
        if sum(map(len, pieces)) != stop - start:
            raise NoXetError
        return pieces

    async def close(self) -> None:
        """Break off what is being read; wait a moment for the threads, so that a folder's lock goes too."""
        self._closed = True
        group = self._group
        if group is not None and group.done() and not group.cancelled() and group.exception() is None:
            with suppress(Exception):
                group.result().abort()
        self._group = None
        if self._running:
            await asyncio.wait(self._running, timeout=_LAST_SECONDS)

    def _open(self) -> Any:
        import hf_xet  # type: ignore[import-untyped]  # a compiled module without stubs

        session = hf_xet.XetSession(hf_xet.XetConfig().with_config(_SETTINGS))
        return session.new_download_stream_group(
            self.access.address, token=self.access.token, token_expiry_unix_secs=self.access.expires
        )

    def _read(self, group: Any, xet_hash: str, size: int, start: int, stop: int) -> list[bytes]:
        import hf_xet

        pieces = []
        for piece in group.download_stream(hf_xet.XetFileInfo(xet_hash, size), start=start, end=stop):
            self._heard = time.monotonic()
            pieces.append(piece)
        return pieces

    async def _watched(self, future: asyncio.Future[Any]) -> Any:
        """Wait for a thread, but not for ever."""
        began = time.monotonic()
        while not future.done():
            await asyncio.wait({future}, timeout=self._silence / 4)
            now = time.monotonic()
            if not future.done() and (
                now - max(began, self._heard) > self._silence or now - began > _PATIENCE * self._silence
            ):
                raise NoXetError
        return future.result()

    def _in_thread(self, action: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run `action` in a thread, which `close` waits a moment for."""
        future = in_thread(action)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future
