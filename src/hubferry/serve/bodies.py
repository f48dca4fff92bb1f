"""Blobs on their way out: with Range and ETag, from the file to the socket, never whole in memory."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

from aiohttp import web

from hubferry.pages.headers import RAW_POLICY
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.sendfile import send_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp.abc import AbstractStreamWriter
    from multidict import CIMultiDictProxy

_SMALL = 128 << 10
_PACED_BLOCK = 64 << 10
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE | re.ASCII)


class BlobResponse(web.StreamResponse):
    """Answer with a blob, or the part of it that the request asks for (RFC 9110, sections 13 and 14)."""

    def __init__(
        self,
        request: web.Request,
        path: Path,
        size: int,
        etag: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers=headers)
        self.path = path
        self.start, self.stop = 0, size
        self.headers["ETag"] = f'"{etag}"'
        self.headers["Accept-Ranges"] = "bytes"
        self.headers.setdefault("Content-Type", "application/octet-stream")
        # whoever wrote the file, a browser that opens it by itself runs nothing of it
        self.headers.setdefault("Content-Security-Policy", RAW_POLICY)
        self.headers.setdefault("X-Content-Type-Options", "nosniff")
        if _matches(request.headers.get("If-None-Match"), self.headers["ETag"]):
            self.set_status(304)
            self.stop = 0
            return
        part = _part(request.headers, size, self.headers["ETag"])
        if part is not None:
            self.start, self.stop = part.start, part.stop
            self.set_status(206)
            self.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        self.content_length = self.stop - self.start

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and body."""
        if self.prepared:
            return await super().prepare(request)
        if request.method == "HEAD" or self.start == self.stop:
            writer = await super().prepare(request)
        elif self.stop - self.start <= _SMALL:
            writer = await self._send_small(request)
        else:
            writer = await self._send_large(request)
        await self.write_eof()
        return writer

    def open(self) -> IO[bytes]:
        """Open what is sent; the caller closes it."""
        return self.path.open("rb", buffering=0)

    async def _send_small(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        with self.open() as file:
            file.seek(self.start)
            content = file.read(self.stop - self.start)
        if len(content) != self.stop - self.start:
            raise _shorter()
        if isinstance(request, web.Request) and (pace := hub_of(request).seams.pace) is not None:
            await pace(request, "out", len(content))
        writer = await super().prepare(request)
        await self.write(content)
        return writer

    async def _send_large(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        hub = hub_of(request) if isinstance(request, web.Request) else None
        pace = hub.seams.pace if hub is not None else None
        patience = hub.limits.idle_seconds if hub is not None else None
        block = self.stop - self.start if pace is None else _PACED_BLOCK
        with self.open() as file:
            if file.seek(0, 2) < self.stop:
                raise _shorter()
            writer = await super().prepare(request)
            if writer is None:
                return None
            for start in range(self.start, self.stop, block):
                part = range(start, min(start + block, self.stop))
                if pace is not None:
                    await pace(request, "out", len(part))
                await send_file(request, writer, file, part, patience)
        return writer


def _shorter() -> OSError:
    return OSError("a blob on disk is shorter than it was")


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag in tags


def _part(headers: CIMultiDictProxy[str], size: int, etag: str) -> range | None:
    """Return the bytes a Range asks for, None for the whole; several at once are answered with the whole.

    Raises:
        Refusal: It begins after the end.
    """
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    if match is None or headers.get("If-Range", etag) != etag:
        return None
    first, last = match[1], match[2]
    if not first and not last:
        return None
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    else:
        start, stop = max(size - int(last), 0), size
    if start >= size or start >= stop:
        raise Refusal(Reason.RANGE, "Requested range not satisfiable", about=str(size))
    return range(start, stop)
