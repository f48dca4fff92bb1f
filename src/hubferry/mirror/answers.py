"""Files as answers: whole ones from the disk, small ones from memory, large ones while they arrive."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, TYPE_CHECKING

from aiohttp import web

from hubferry.errors import HubferryError
from hubferry.serve.bodies import BlobResponse
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.sendfile import send_file
from hubferry.stream.growing import StartedOverError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp.abc import AbstractStreamWriter

    from hubferry.hubs.ports import Source
    from hubferry.mirror.arrival import Arrival, Reading
    from hubferry.mirror.counts import Counts

_BEGIN_ANEW = ("hf_hub/", "modelscope", "curl/", "hubferry/")
"""Names of clients that then begin anew, or end with an error."""
_AT_ONCE = 8 << 20
"""Bytes after which a reader says where it is, so that what it needs next is fetched next."""


class FileResponse(BlobResponse):
    """Answer with a whole file, counting what the client gets."""

    def __init__(  # what an answer with a file is made of
        self,
        request: web.Request,
        path: Path,
        size: int,
        etag: str,
        headers: Mapping[str, str],
        *,
        counts: Counts,
        doubted: bool = False,
    ) -> None:
        self._held: IO[bytes] | None = None
        super().__init__(request, path, size, etag, headers)
        self.counts = counts
        if doubted and self.status == web.HTTPPartialContent.status_code and self.start:
            if not _begins_anew(request):
                text = "What you have of this file came wrong: remove it, and begin anew"
                raise Refusal(Reason.INVALID, text, status=web.HTTPPreconditionFailed.status_code)
            self.set_status(200)
            del self.headers["Content-Range"]
            self.start, self.stop = 0, size
            self.content_length = size

    def hold(self, file: IO[bytes]) -> None:
        """Answer with what is open, whatever becomes of its name; it is closed when the answer is sent."""
        self._held = file

    def open(self) -> IO[bytes]:
        """Open what is sent; the caller closes it."""
        return self._held or super().open()

    @property
    def is_empty(self) -> bool:
        """Whether no content follows the head."""
        return self.start == self.stop

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and body, and count."""
        first = not self.prepared
        try:
            writer = await super().prepare(request)
        finally:
            if self._held is not None:
                self._held.close()
        if first and request.method != "HEAD":
            self.counts.served += self.stop - self.start
        return writer


def _begins_anew(request: web.Request) -> bool:
    """Return whether a client takes a whole file for what it is, when it has asked to go on in its middle.

    wget would skip as many bytes as it has, and keep those; of others nobody knows.
    """
    agent = request.headers.get("User-Agent", "").lower()
    return any(name in agent for name in _BEGIN_ANEW)


class SmallResponse(FileResponse):
    """Answer with content that is in memory."""

    content = b""

    async def _send_small(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        writer = await web.StreamResponse.prepare(self, request)
        await self.write(self.content[self.start : self.stop])
        return writer

    _send_large = _send_small


class ArrivingResponse(FileResponse):
    """Answer with a file while it arrives."""

    arrival: Arrival
    source: Source
    client: str

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and body as the file arrives; break off when it does not, or comes wrong.

        Raises:
            HubferryError: It does not arrive, and nothing was sent.
        """
        if self.prepared or request.method == "HEAD" or self.is_empty:
            return await super().prepare(request)
        part = range(self.start, self.stop)
        whole = "Range" not in request.headers or self.stop == self.arrival.size
        while True:
            try:
                with self.arrival.reading(part, self.source, self.client, whole=whole) as reading:
                    writer = await self._follow(request, reading)
            except StartedOverError as error:
                if self.prepared:
                    raise _broken_off(request, error) from error
            except HubferryError as error:
                if self.prepared:
                    raise _broken_off(request, error) from error
                raise
            else:
                await self.write_eof()
                return writer

    async def _follow(self, request: web.BaseRequest, reading: Reading) -> AbstractStreamWriter | None:
        patience = hub_of(request).limits.idle_seconds if isinstance(request, web.Request) else None
        await reading.beyond(self.start)
        with self._opened() as file:
            writer = await web.StreamResponse.prepare(self, request)
            if writer is None:
                return None
            position = self.start
            while position < self.stop:
                there = await reading.beyond(position)
                part = range(position, min(there, self.stop, position + _AT_ONCE))
                await send_file(request, writer, file, part, patience)
                position = part.stop
                self.counts.served += len(part)
        return writer

    def _opened(self) -> IO[bytes]:
        with suppress(FileNotFoundError):
            return self.arrival.partial.path.open("rb", buffering=0)
        return self.path.open("rb", buffering=0)  # it got its name a moment ago


def _broken_off(request: web.BaseRequest, error: HubferryError) -> ConnectionResetError:
    """Let the client see that this was not all of it."""
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError(error.message)
