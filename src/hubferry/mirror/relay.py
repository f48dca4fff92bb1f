"""Questions that are passed on as they are: history, references, lists. What strangers get is remembered."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.errors import HubferryError, NetworkError
from hubferry.hubs.http.client import Request, json_body
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.mirror.clients import Asker, Clients
    from hubferry.mirror.notes import Notes
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

    def __init__(self, clients: Clients, notes: Notes, *, ttl: float, offline: bool) -> None:
        """Remember answers in `notes`."""
        self._clients = clients
        self._notes = notes
        self._ttl = ttl
        self._offline = offline

    async def get(self, upstream: Upstream, target: str, who: Asker, *, remember: bool) -> Relayed:
        """Return what upstream says to a GET of `target`, a path with its query.

        What is to be `remember`ed is what anybody may know, and one answer a repository.

        Raises:
            NetworkError: It says nothing, and nothing is remembered.
        """
        name = _name(upstream, target)
        known = self._notes.read(name, Relayed, _LARGEST) if remember else None
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
        if remember and answer.status == _OK:
            content = msgspec.json.encode(answer)
            if len(content) <= _LARGEST:
                self._notes.write(name, content)
        return answer

    async def post(self, upstream: Upstream, target: str, value: object, who: Asker) -> Relayed:
        """Return what upstream says to JSON; nothing is remembered."""
        headers = {"Content-Type": "application/json"}
        request = Request("POST", upstream.endpoint + target, headers, json_body(value))
        return await self._ask(upstream, request, who)

    async def _ask(self, upstream: Upstream, request: Request, who: Asker) -> Relayed:
        async with self._clients.questions(upstream, who) as source:
            answer = await source.wire.client.ask(request)
        return Relayed(answer.status, answer.json(), answer.headers.get("Link", ""), time.time())


def _name(upstream: Upstream, target: str) -> str:
    digest = hashlib.sha256(f"{upstream.hub} {target}".encode()).hexdigest()
    return f"answers/{digest[:2]}/{digest}.json"
