"""Send a blob in the parts that the hub asks for, and keep account of them: what is stored is not sent again.

Facts: huggingface_hub 2.4.0, lfs.py (`_upload_multi_part`); the storage is S3's, where a part may be sent
again until the parts are joined, each named with its ETag, and where an address works for about a day
(huggingface_hub#2409 shows one that names its own end).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, IntegrityError, NetworkError, naming
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.answers import failure
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.http.uploads import ANSWER_SECONDS, put
from hubferry.hubs.huggingface.unfinished import Addresses, StoredPart, Unfinished
from hubferry.hubs.ports import PartedBody
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.http.client import HubClient
    from hubferry.hubs.ports import Body
    from hubferry.model import Blob

_KIND = "application/vnd.git-lfs+json"
_GONE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""What storage says of an address that it has signed when it works no more, or its upload is not there."""
_FRESH_SECONDS = 3600.0


@dataclass(slots=True)
class PartedUpload:
    """One blob on its way in parts; the parts stored are the first ones.

    Attributes:
        addresses: Where they go.
        stored: What the storage has said of those that it has.
        carried_on: Whether some were stored by an earlier attempt, or run.
        asked: Whether the hub was asked to join them, and its answer may be lost.
        since: When it began, in seconds of the monotonic clock; None for an earlier run.
    """

    addresses: Addresses
    stored: list[StoredPart] = field(default_factory=list)
    carried_on: bool = False
    asked: bool = False
    since: float | None = field(default_factory=time.monotonic)

    @property
    def is_fresh(self) -> bool:
        """Whether a refusal cannot come from the age of the addresses, or of what was stored."""
        young = self.since is not None and time.monotonic() - self.since < _FRESH_SECONDS
        return young and not self.carried_on


class PartedUploads:
    """The uploads in parts to one server: those of this run, and those that an earlier one has left."""

    def __init__(self, client: HubClient, unfinished: Unfinished) -> None:
        """Send over `client`; remember for the next run in `unfinished`."""
        self._client = client
        self._unfinished = unfinished
        self._open: dict[tuple[object, ...], PartedUpload] = {}

    async def find(self, key: tuple[object, ...], blob: Blob) -> PartedUpload | None:
        """Return what was begun of a blob, None for nothing."""
        if key in self._open:
            return self._open[key]
        known = await asyncio.to_thread(self._unfinished.find, key) if self._unfinished.has(key) else None
        if known is None or len(known.addresses.parts) != _count(known.addresses.part_size, blob.size):
            return None
        upload = PartedUpload(known.addresses, known.stored, since=None)
        self._open[key] = upload
        await asyncio.to_thread(self._unfinished.begin, key, known.addresses, known.stored)
        return upload

    async def begin(self, key: tuple[object, ...], addresses: Addresses) -> PartedUpload:
        """Begin an upload at addresses that were just given."""
        upload = self._open[key] = PartedUpload(addresses)
        await asyncio.to_thread(self._unfinished.begin, key, addresses)
        return upload

    async def forget(self, key: tuple[object, ...]) -> None:
        """End an upload: the blob is stored, or nothing of this is of use any more."""
        self._open.pop(key, None)
        await asyncio.to_thread(self._unfinished.forget, key)

    async def stored(self, key: tuple[object, ...]) -> None:
        """Take note that the hub has a blob: what an earlier run has left of its upload is of no use."""
        if key not in self._open and self._unfinished.has(key):
            await self.forget(key)

    async def send(self, key: tuple[object, ...], upload: PartedUpload, blob: Blob, body: Body) -> None:
        """Send the parts that are not stored, in order, then have the hub join them.

        Raises:
            NetworkError: A part was not taken, or the addresses work no more; what is stored stays so.
            HubferryError: The hub refuses to join what has just been sent.
            Exception: Whatever `body` raised.
        """
        if isinstance(body, PartedBody):
            await self._go_on(key, upload, blob, body)
            await self._send_parts(key, upload, blob, body)
        else:
            upload.stored.clear()
            async with aclosing(body()) as stream:
                parts = _InOneGo(stream)
                await self._send_parts(key, upload, blob, parts)
                await parts.expect_end()
        await self._join(key, upload, blob)

    async def _send_parts(
        self, key: tuple[object, ...], upload: PartedUpload, blob: Blob, body: PartedBody | _InOneGo
    ) -> None:
        size, before = upload.addresses.part_size, len(upload.stored)
        for number in range(before, len(upload.addresses.parts)):
            start, stop = number * size, min((number + 1) * size, blob.size)
            try:
                etag = await self._sent(key, upload, number, body.part(start, stop), stop - start)
            except HubferryError as error:
                error.got_on = number > before
                raise
            part = StoredPart(number, etag, await body.digest(stop))
            upload.stored.append(part)
            await asyncio.to_thread(self._unfinished.stored, key, part)

    async def _go_on(
        self, key: tuple[object, ...], upload: PartedUpload, blob: Blob, body: PartedBody
    ) -> None:
        """Take what is stored for what the body has there, or begin with the first part again."""
        upload.carried_on = bool(upload.stored)
        if not upload.stored:
            return
        there = min(len(upload.stored) * upload.addresses.part_size, blob.size)
        if await body.digest(there) != upload.stored[-1].digest:
            upload.stored.clear()
            await asyncio.to_thread(self._unfinished.begin, key, upload.addresses)

    async def _sent(
        self,
        key: tuple[object, ...],
        upload: PartedUpload,
        number: int,
        piece: AsyncGenerator[bytes, None],
        size: int,
    ) -> str:
        """PUT one part and return its ETag."""
        url = upload.addresses.parts[number]
        async with aclosing(piece):
            answer = await put(self._client, url, piece, size)
        if answer.ok:
            return answer.headers.get("ETag", "")
        if answer.status in _GONE:
            await self.forget(key)
        raise _passing(answer, url)

    async def _join(self, key: tuple[object, ...], upload: PartedUpload, blob: Blob) -> None:
        named = [{"partNumber": at, "etag": part.etag} for at, part in enumerate(upload.stored, start=1)]
        headers = {"Content-Type": _KIND, "Accept": _KIND}
        body = json_body({"oid": blob.sha256, "parts": named})
        upload.asked = True
        request = Request("POST", upload.addresses.join, headers, body, silence=ANSWER_SECONDS)
        with naming(_("joining the parts of {path}").format(path=blob.path or blob.sha256[:12])):
            answer = await self._client.ask(request)
            await self._joined(key, upload, answer)

    async def _joined(self, key: tuple[object, ...], upload: PartedUpload, answer: Answer) -> None:
        if answer.ok:
            await self.forget(key)
            return
        error = failure(answer, host=host_of(upload.addresses.join), side="destination")
        if error.retryable:
            raise error
        fresh = upload.is_fresh
        await self.forget(key)
        raise error if fresh else _passing(answer, upload.addresses.join)


def _passing(answer: Answer, url: str) -> HubferryError:
    """Return an error after which a new try is worth while: with what is stored, or from the start."""
    error = failure(answer, host=host_of(url), side="destination")
    return error if error.retryable else NetworkError(error.message, side="destination")


def _count(part_size: int, size: int) -> int:
    return -(-size // part_size) if part_size > 0 else 0


class _InOneGo:
    """A body that can only be read from its first byte to its last, cut into parts."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self._stream = stream
        self._rest = b""

    async def part(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the next bytes; fewer where the stream ends."""
        size = stop - start
        while size:
            piece = self._rest or await anext(self._stream, b"")
            if not piece:
                return
            self._rest = piece[size:]
            yield piece[:size]
            size -= min(size, len(piece))

    async def digest(self, _position: int) -> str:
        """Return nothing: no part of this is ever taken for stored."""
        return ""

    async def expect_end(self) -> None:
        """Raise if there is more."""
        if self._rest or await anext(self._stream, b""):
            raise IntegrityError(_("A blob goes on after its end."), side="destination")
