"""Store blobs at a Hugging Face server: git LFS with the hub's own multipart transfer.

Wire facts: huggingface_hub 2.4.0, lfs.py (`post_lfs_batch_info`, `lfs_upload`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from hubferry.errors import HubferryError, IntegrityError, NetworkError
from hubferry.hubs.http import mistaken, refusals
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.answers import LARGEST_LISTING, Answer, failure
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.http.uploads import put, started
from hubferry.hubs.huggingface import refusals as huggingface_refusals
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.hubs.ports import Body
    from hubferry.model import Blob, RepoRef

_KIND = "application/vnd.git-lfs+json"
_QUESTIONS_AT_ONCE = 8
_LINK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Link:
    """Where a blob goes, as the hub said at `since`.

    Attributes:
        url: Of the PUT, or for a blob in parts of the question that joins them.
        headers: Of the PUT.
        verify: Where to report that it is stored, None if nobody asks.
        parts: The addresses of the parts in order, none for a single PUT.
        part_size: Bytes in each part but the last.
        since: Seconds of the monotonic clock.
    """

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    verify: str | None = field(repr=False)
    parts: tuple[str, ...] = field(repr=False)
    part_size: int
    since: float

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.since < _LINK_SECONDS


class BlobStorage:
    """The blobs of one server."""

    def __init__(self, wire: Wire) -> None:
        """Store over `wire`."""
        self._wire = wire
        self._links: dict[str, _Link] = {}
        self._gate = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

    async def missing(self, ref: RepoRef, group: Sequence[Blob]) -> frozenset[str]:
        """Ask about one group; a blob that the answer does not name counts as missing."""
        async with self._gate:
            answer = await self._ask(ref, group)
        body = answer.json()
        entries = body.get("objects") if isinstance(body, dict) else None
        if not isinstance(entries, list):
            raise mistaken.not_understood(answer, host=self._wire.client.host, side="destination")
        wanted = {blob.sha256: blob for blob in group}
        there = set()
        for entry in entries:
            oid = entry.get("oid") if isinstance(entry, dict) else None
            if not isinstance(oid, str) or oid not in wanted:
                continue
            if entry.get("error"):
                raise self._refused(entry["error"])
            actions = entry.get("actions") or {}
            if not isinstance(actions, dict):
                raise mistaken.not_understood(answer, host=self._wire.client.host, side="destination")
            if not actions.get("upload"):
                there.add(oid)
                continue
            self._links[oid] = self._link(answer, actions, wanted[oid])
        return frozenset(wanted) - there

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Store one blob and report it where the hub wants that."""
        link = self._links.pop(blob.sha256, None)
        if link is None or not link.fresh:
            if not await self.missing(ref, [blob]):
                return
            link = self._links.pop(blob.sha256, None)
        if link is None:
            raise NetworkError(
                _("{host} does not say where a blob goes.").format(host=self._wire.client.host),
                side="destination",
            )
        if link.parts:
            await self._in_parts(link, blob, body)
        else:
            stream = started(self._wire.client, link.url, body)
            answer = await put(self._wire.client, link.url, stream, blob.size, headers=link.headers)
            self._stored(ref, answer, link.url)
        if link.verify:
            told = {"oid": blob.sha256, "size": blob.size}
            headers = {"Content-Type": "application/json"}
            request = Request("POST", link.verify, headers, json_body(told))
            self._wire.checked(ref, await self._wire.client.ask(request))

    async def _ask(self, ref: RepoRef, group: Sequence[Blob]) -> Answer:
        question: dict[str, Any] = {
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "objects": [{"oid": blob.sha256, "size": blob.size} for blob in group],
            "hash_algo": "sha256",
        }
        if ref.revision is not None:
            question["ref"] = {"name": ref.revision}
        url = self._wire.page(ref, ".git/info/lfs/objects/batch")
        headers = {"Content-Type": _KIND, "Accept": _KIND}
        # Hundreds of blobs may come with an address for each of their parts.
        request = Request("POST", url, headers, json_body(question), most=LARGEST_LISTING)
        answer = await self._wire.client.ask(request)
        return await huggingface_refusals.checked(self._wire, ref, answer)

    def _link(self, answer: Answer, actions: dict[str, Any], blob: Blob) -> _Link:
        """Read where a blob goes; numbered headers are the addresses of parts."""
        try:
            upload, verify = actions["upload"], actions.get("verify")
            header = {str(key): str(value) for key, value in (upload.get("header") or {}).items()}
            size = int(header.pop("chunk_size", 0))
            numbers = sorted((int(key), key) for key in header if key.isdigit()) if size else []
            parts = tuple(urljoin(answer.url, header.pop(key)) for _number, key in numbers)
            right = len(parts) == -(-blob.size // size) if size else True
            url = urljoin(answer.url, upload["href"])
            report = urljoin(answer.url, verify["href"]) if verify else None
        except (KeyError, TypeError, ValueError, AttributeError):
            right = False
        if not right:
            raise mistaken.not_understood(answer, host=self._wire.client.host, side="destination")
        return _Link(url, header, report, parts, size, time.monotonic())

    async def _in_parts(self, link: _Link, blob: Blob, body: Body) -> None:
        """Send a blob part by part out of one stream, then have the hub join them."""
        done = []
        async with aclosing(body()) as stream:
            splitter = _Splitter(stream)
            for number, url in enumerate(link.parts):
                size = min(link.part_size, blob.size - number * link.part_size)
                answer = await put(self._wire.client, url, splitter.take(size), size)
                self._stored(None, answer, url)
                done.append({"partNumber": number + 1, "etag": answer.headers.get("ETag", "")})
            await splitter.expect_end()
        request = Request(
            "POST",
            link.url,
            {"Content-Type": _KIND, "Accept": _KIND},
            json_body({"oid": blob.sha256, "parts": done}),
        )
        answer = await self._wire.client.ask(request)
        if not answer.ok:
            raise failure(answer, host=host_of(link.url), side="destination")

    def _stored(self, ref: RepoRef | None, answer: Answer, url: str) -> None:
        """Raise unless a PUT was taken. Storage that refuses an address of the hub's has seen it expire."""
        if answer.ok:
            return
        if ref is not None and self._wire.client.is_own(url):
            self._wire.checked(ref, answer)
        error = failure(answer, host=host_of(url), side="destination")
        raise error if error.retryable else NetworkError(error.message, side="destination")

    def _refused(self, error: Any) -> HubferryError:
        said = " ".join(str(error.get("message", "")).split()) if isinstance(error, dict) else ""
        if refusals.means_quota(said):
            return refusals.quota(self._wire.client.host, said)
        return HubferryError(
            _("{host} does not take a blob: {said}").format(host=self._wire.client.host, said=said),
            side="destination",
        )


class _Splitter:
    """Cuts one stream into parts of given lengths."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self._stream = stream
        self._rest = b""

    async def take(self, size: int) -> AsyncGenerator[bytes, None]:
        """Yield the next `size` bytes; fewer where the stream ends."""
        while size:
            piece = self._rest or await anext(self._stream, b"")
            if not piece:
                return
            self._rest = piece[size:]
            yield piece[:size]
            size -= min(size, len(piece))

    async def expect_end(self) -> None:
        """Raise if there is more."""
        if self._rest or await anext(self._stream, b""):
            raise IntegrityError(_("A blob goes on after its end."), side="destination")
