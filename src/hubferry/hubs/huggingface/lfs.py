"""Store blobs at a Hugging Face server: git LFS with the hub's own multipart transfer.

Wire facts: huggingface_hub 2.4.0, lfs.py (`post_lfs_batch_info`, `lfs_upload`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from hubferry.errors import HubferryError, NetworkError, naming
from hubferry.hubs.http import mistaken, refusals
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.answers import LARGEST_LISTING, Answer, failure
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.http.uploads import put, started
from hubferry.hubs.huggingface import refusals as huggingface_refusals
from hubferry.hubs.huggingface.parts import PartedUploads
from hubferry.hubs.huggingface.unfinished import Addresses, Unfinished
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.hubs.ports import Body
    from hubferry.hubs.xet.uploads import XetUploads
    from hubferry.model import Blob, RepoRef

_KIND = "application/vnd.git-lfs+json"
_QUESTIONS_AT_ONCE = 8
_LINK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Link:
    """Where a blob goes, as the hub said at `since`.

    Attributes:
        url: Of the PUT.
        headers: Of the PUT.
        verify: Where to report that it is stored, None if nobody asks.
        parts: Where its parts go, None for a single PUT.
        since: Seconds of the monotonic clock.
    """

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    verify: str | None = field(repr=False)
    parts: Addresses | None
    since: float

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.since < _LINK_SECONDS


class BlobStorage:
    """The blobs of one server."""

    def __init__(self, wire: Wire, unfinished: Unfinished, xet: XetUploads | None = None) -> None:
        """Store over `wire`, by `xet` where that goes; what is not finished stands in `unfinished`."""
        self._wire = wire
        self._xet = xet
        self._parts = PartedUploads(wire.client, unfinished)
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
                await self._parts.stored(self._key(ref, wanted[oid]))
                continue
            self._links[oid] = self._link(answer, actions, wanted[oid])
        return frozenset(wanted) - there

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Store one blob and report it where the hub wants that."""
        key = self._key(ref, blob)
        begun = await self._parts.find(key, blob)
        if begun is not None and begun.asked and not await self.missing(ref, [blob]):
            await self._parts.forget(key)  # joined, and only the answer was lost
            return
        if begun is None and self._xet is not None and await self._xet.upload(ref, blob, body):
            return
        if begun is None:
            link = await self._where(ref, blob)
            if link is None:
                return
            if link.parts is None:
                stream = started(self._wire.client, link.url, body)
                answer = await put(self._wire.client, link.url, stream, blob.size, headers=link.headers)
                await self._stored(ref, answer, link.url)
                await self._verify(ref, blob, link.verify)
                return
            begun = await self._parts.begin(key, link.parts)
        await self._parts.send(key, begun, blob, body)
        await self._verify(ref, blob, begun.addresses.verify)

    def _key(self, ref: RepoRef, blob: Blob) -> tuple[object, ...]:
        return (self._wire.client.endpoint, ref.repo_type, ref.repo_id, blob.sha256, blob.size)

    async def _where(self, ref: RepoRef, blob: Blob) -> _Link | None:
        """Return where a blob goes, asking where it is not known, or too old; None for one that is there."""
        link = self._links.pop(blob.sha256, None)
        if link is None or not link.fresh:
            if not await self.missing(ref, [blob]):
                return None
            link = self._links.pop(blob.sha256, None)
        if link is None:
            raise NetworkError(
                _("{host} does not say where a blob goes.").format(host=self._wire.client.host),
                side="destination",
            )
        return link

    async def _verify(self, ref: RepoRef, blob: Blob, url: str | None) -> None:
        """Report that a blob is stored, where the hub wants that."""
        if url:
            told = {"oid": blob.sha256, "size": blob.size}
            request = Request("POST", url, {"Content-Type": "application/json"}, json_body(told))
            with naming(_("reporting {path} as stored").format(path=blob.path or blob.sha256[:12])):
                await self._written(ref, await self._wire.client.ask(request))

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
            parts = [urljoin(answer.url, header.pop(key)) for _number, key in numbers]
            right = len(parts) == -(-blob.size // size) if size else True
            url = urljoin(answer.url, upload["href"])
            report = urljoin(answer.url, verify["href"]) if verify else None
        except (KeyError, TypeError, ValueError, AttributeError):
            right = False
        if not right:
            raise mistaken.not_understood(answer, host=self._wire.client.host, side="destination")
        addresses = Addresses(parts, size, url, report) if size else None
        return _Link(url, header, report, addresses, time.monotonic())

    async def _written(self, ref: RepoRef, answer: Answer) -> None:
        """Raise unless the hub itself has taken something; a refusal names the account."""
        if not answer.ok:
            error = self._wire.explained(ref, answer)
            raise await huggingface_refusals.with_account(self._wire, ref, answer, error)

    async def _stored(self, ref: RepoRef, answer: Answer, url: str) -> None:
        """Raise unless a PUT was taken. Storage that refuses an address of the hub's has seen it expire."""
        if answer.ok:
            return
        if self._wire.client.is_own(url):
            await self._written(ref, answer)
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
