"""Questions that are passed on as they are: history, references, lists. What strangers get is remembered."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.cache.disk import disk
from hubferry.cache.roots import create_root, make_directories
from hubferry.errors import DiskError, HubferryError, NetworkError
from hubferry.hubs.http.client import Request, json_body
from hubferry.i18n import _
from hubferry.mirror.memory import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.mirror.clients import Asker, Clients
    from hubferry.mirror.upstreams import Upstream

_LARGEST = 4 << 20
_OK = 200


class Relayed(msgspec.Struct, frozen=True):
    """An answer of upstream: its status, its JSON, where its next page is, and when it was given."""

    status: int
    body: Any
    link: str = ""
    at: float = 0.0
    stale: bool = False


class Relay:
    """Passes questions on."""

    def __init__(self, clients: Clients, root: Path | None, *, ttl: float, offline: bool) -> None:
        """Remember answers below `root`."""
        self._clients = clients
        self._root = root
        self._ttl = ttl
        self._offline = offline

    async def get(self, upstream: Upstream, target: str, who: Asker, *, remember: bool) -> Relayed:
        """Return what upstream says to a GET of `target`, a path with its query.

        What is to be `remember`ed is what anybody may know, and one answer a repository.

        Raises:
            NetworkError: It says nothing, and nothing is remembered.
        """
        place = self._place(upstream, target) if remember else None
        known = None if place is None else _read(place)
        if known is not None and (time.time() - known.at < self._ttl or self._offline):
            return known
        if self._offline or not upstream.endpoint:
            raise NetworkError(_("no hub is asked"), side="source")
        try:
            answer = await self._ask(upstream, Request("GET", upstream.endpoint + target, {}), who)
        except HubferryError:
            if known is None:
                raise
            return msgspec.structs.replace(known, stale=True)
        if place is not None and answer.status == _OK:
            self._write(place, answer)
        return answer

    async def post(self, upstream: Upstream, target: str, value: object, who: Asker) -> Relayed:
        """Return what upstream says to JSON; nothing is remembered."""
        headers = {"Content-Type": "application/json"}
        request = Request("POST", upstream.endpoint + target, headers, json_body(value))
        return await self._ask(upstream, request, who)

    async def _ask(self, upstream: Upstream, request: Request, who: Asker) -> Relayed:
        source = await self._clients.questions(upstream, who)
        answer = await source.wire.client.ask(request)
        return Relayed(answer.status, answer.json(), answer.headers.get("Link", ""), time.time())

    def _place(self, upstream: Upstream, target: str) -> Path | None:
        name = hashlib.sha256(f"{upstream.hub} {target}".encode()).hexdigest()
        return None if self._root is None else self._root / FOLDER / "answers" / name[:2] / f"{name}.json"

    def _write(self, place: Path, answer: Relayed) -> None:
        content = msgspec.json.encode(answer)
        if len(content) > _LARGEST or self._root is None:
            return
        temporary = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
        with suppress(OSError, DiskError):
            create_root(self._root)
            make_directories(place.parent)
            descriptor = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                disk.pwrite_all(descriptor, [content], 0)
            finally:
                disk.close(descriptor)
            disk.replace(temporary, place)


def _read(place: Path) -> Relayed | None:
    with suppress(OSError, ValueError, RecursionError):
        content = disk.read_record(place, _LARGEST)
        return None if content is None else msgspec.json.decode(content, type=Relayed)
    return None
