"""Bodies in both directions, never whole in memory: blobs out with Range and ETag, blobs in with their digest."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from hubferry.serve.hub import Hub, hub_of
from hubferry.serve.refusal import Reason, Refusal

_SMALL = 128 << 10
_BLOCK = 1 << 20
_READ = 1 << 20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE | re.ASCII)


class BlobResponse(web.StreamResponse):
    """Answer with a blob, or the part of it that the request's Range asks for (RFC 9110, section 14)."""

    def __init__(self, path: Path, size: int, etag: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers=headers)
        self.path = path
        self.size = size
        self.start = 0
        self.stop = size
        self.headers["ETag"] = f'"{etag}"'
        self.headers["Accept-Ranges"] = "bytes"
        self.headers.setdefault("Content-Type", "application/octet-stream")

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and body."""
        if self.prepared:
            return self._payload_writer
        if self._matches(request.headers.get("If-None-Match")):
            self.set_status(304)
            self.start = self.stop
        else:
            self._choose_range(request)
            self.content_length = self.stop - self.start
        writer = await super().prepare(request)
        if writer is not None and request.method != "HEAD" and self.start < self.stop:
            await self._send(request, writer)
        await self.write_eof()
        return writer

    def _matches(self, header: str | None) -> bool:
        if header is None:
            return False
        tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
        return "*" in tags or self.headers["ETag"] in tags

    def _choose_range(self, request: web.BaseRequest) -> None:
        match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
        condition = request.headers.get("If-Range")
        if match is None or match[0].endswith("=-") or (condition and condition != self.headers["ETag"]):
            return
        first, last = match[1], match[2]
        if first:
            start, stop = int(first), min(int(last) + 1, self.size) if last else self.size
            if last and int(last) < start:
                return  # not a range: the whole is the answer
        else:
            start, stop = max(self.size - int(last), 0), self.size
        if start >= self.size:
            raise Refusal(Reason.RANGE, "Requested range not satisfiable", about=str(self.size))
        self.start, self.stop = start, stop
        self.set_status(206)
        self.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{self.size}"

    async def _send(self, request: web.BaseRequest, writer: AbstractStreamWriter) -> None:
        pace = hub_of(request).seams.pace if isinstance(request, web.Request) else None
        count = self.stop - self.start
        with self.path.open("rb", buffering=0) as file:
            if count <= _SMALL:
                if pace is not None:
                    await pace(request, "out", count)
                await writer.write(os.pread(file.fileno(), count, self.start))
                return
            block = _BLOCK if pace is not None else count
            for start in range(self.start, self.stop, block):
                size = min(block, self.stop - start)
                if pace is not None:
                    await pace(request, "out", size)
                await _send_block(request, writer, file, start, size)


async def _send_block(
    request: web.BaseRequest, writer: AbstractStreamWriter, file: IO[bytes], start: int, count: int
) -> None:
    stop = start + count
    while start < stop:
        data = await asyncio.to_thread(os.pread, file.fileno(), min(_READ, stop - start), start)
        if not data:
            raise ConnectionResetError("the blob is shorter than it was")
        await writer.write(data)
        start += len(data)


async def receive_blob(request: web.Request, sha256: str, size: int | None) -> str:
    """Store a request's body as a blob.

    Raises:
        Refusal: Too long, not of `size` bytes, or not hashing to `sha256`.
    """
    hub = hub_of(request)
    incoming = await asyncio.to_thread(hub.store.blobs.receive)
    try:
        async for block in _blocks(request, hub):
            if incoming.size + len(block) > (hub.limits.blob_bytes if size is None else size):
                raise Refusal(Reason.TOO_LARGE, "The body is longer than the blob was said to be")
            await asyncio.to_thread(incoming.write, block)
        if size is not None and incoming.size != size:
            raise Refusal(Reason.WRONG_BYTES, f"{incoming.size} bytes arrived, not {size}", about=sha256)
        return await asyncio.to_thread(incoming.publish, sha256)
    finally:
        incoming.discard()


async def _blocks(request: web.Request, hub: Hub) -> AsyncIterator[bytes]:
    """Yield a body in blocks big enough that handing one to a thread costs little."""
    gathered: list[bytes] = []
    count = 0
    while True:
        chunk = await asyncio.wait_for(request.content.readany(), hub.limits.idle_seconds)
        if chunk and hub.seams.pace is not None:
            await hub.seams.pace(request, "in", len(chunk))
        gathered.append(chunk)
        count += len(chunk)
        if count >= _READ or not chunk:
            if count:
                yield b"".join(gathered)
            gathered, count = [], 0
        if not chunk:
            return
