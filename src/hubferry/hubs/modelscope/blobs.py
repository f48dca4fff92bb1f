"""Store blobs at ModelScope: a question for many, then one PUT each.

Wire facts: modelscope_hub 0.5.1, _legacy_api.py (`validate_blobs`, `upload_blob`), _upload.py
(`_validate_blobs_batch`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from hubferry.errors import AccessError, HubferryError, NetworkError, NotFoundError
from hubferry.hubs.http import mistaken, refusals
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.http.uploads import put, started
from hubferry.hubs.modelscope import refusals as modelscope_refusals
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.modelscope.wire import Wire
    from hubferry.hubs.ports import Body
    from hubferry.model import Blob, RepoRef

_QUESTIONS_AT_ONCE = 8
_LINK_SECONDS = 600.0
_FINAL = frozenset({"400", "403", "413", "422"})


@dataclass(frozen=True, slots=True)
class _Link:
    """Where a blob goes, as the hub said at `since`; its address is signed and does not last."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
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
        """Ask about one group. What a proper answer leaves out is there; an improper one says nothing at all.

        Raises:
            NetworkError: The group was not answered properly: nothing is known about any of it.
        """
        objects = [{"oid": blob.sha256, "size": blob.size} for blob in group]
        url = self._wire.repos(ref, "/info/lfs/objects/batch")
        body = json_body({"operation": "upload", "objects": objects})
        async with self._gate:
            answer = await self._wire.client.ask(
                Request("POST", url, {"Content-Type": "application/json"}, body)
            )
        data = self._wire.opened(ref, await modelscope_refusals.checked(self._wire, ref, answer))
        entries = data.get("objects") if isinstance(data, dict) else None
        if not isinstance(entries, list):
            raise self._unclear(answer)
        asked = {blob.sha256 for blob in group}
        links = {}
        for entry in entries:
            oid = entry.get("oid") if isinstance(entry, dict) else None
            if not isinstance(oid, str) or oid not in asked:
                raise self._unclear(answer)
            if entry.get("error"):
                raise self._refused(entry["error"])
            link = self._link(answer, entry)
            if link is not None:
                links[oid] = link
        self._links.update(links)
        return frozenset(links)

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Store one blob; an address that has grown old is asked for anew."""
        link = self._links.pop(blob.sha256, None)
        if link is None or not link.fresh:
            if not await self.missing(ref, [blob]):
                return
            link = self._links.pop(blob.sha256)
        client, trusted = self._wire.client, _may_see_token(link.url)
        stream = started(client, link.url, body)
        answer = await put(client, link.url, stream, blob.size, headers=link.headers, trusted=trusted)
        try:
            self._wire.checked(ref, answer)
        except (AccessError, NotFoundError) as error:
            if client.is_own(link.url):
                raise
            # Storage refuses an address that the hub has signed: it has expired; the next try gets a new one.
            message = _("{host} does not take the blob any more.").format(host=host_of(link.url))
            raise NetworkError(message, side="destination") from error

    def _link(self, answer: Answer, entry: dict[str, Any]) -> _Link | None:
        """Read where a blob goes; None for one that is stored already."""
        actions = entry.get("actions")
        upload = actions.get("upload") if isinstance(actions, dict) else None
        if upload is None:
            if actions is not None and not isinstance(actions, dict):
                raise self._unclear(answer)
            return None
        href = upload.get("href") if isinstance(upload, dict) else None
        header = (upload.get("header") or {}) if isinstance(upload, dict) else None
        if not isinstance(href, str) or not href or not isinstance(header, dict):
            raise self._unclear(answer)
        headers = {str(key): str(value) for key, value in header.items()}
        return _Link(urljoin(answer.url, href), headers, time.monotonic())

    def _unclear(self, answer: Answer) -> NetworkError:
        return mistaken.not_understood(answer, host=self._wire.client.host, side="destination")

    def _refused(self, error: Any) -> HubferryError:
        told = error if isinstance(error, dict) else {}
        said = " ".join(str(told.get("message", "")).split())
        if refusals.means_quota(said):
            return refusals.quota(self._wire.client.host, said)
        kind = HubferryError if str(told.get("code")) in _FINAL else NetworkError
        message = _("{host} does not take a blob: {said}").format(host=self._wire.client.host, said=said)
        return kind(message, side="destination")


def _may_see_token(url: str) -> bool:
    """Return whether an upload address is at one of ModelScope's own hosts."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = any(host == site or host.endswith(f".{site}") for site in ("modelscope.cn", "modelscope.ai"))
    return parts.scheme == "https" and own
