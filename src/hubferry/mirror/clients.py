"""Hubs as they are asked for somebody: connections of each account, and no more of them than are used."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.hubs.huggingface.source import HuggingFaceSource
from hubferry.hubs.modelscope.source import ModelScopeSource
from hubferry.patience import Policy, account_at
from hubferry.retry import RetryingSource

if TYPE_CHECKING:
    from hubferry.hubs.ports import Source
    from hubferry.mirror.upstreams import Upstream

Asked = HuggingFaceSource | ModelScopeSource
_MOST = 256
_QUESTIONS = 200
"""Questions after which a source is made anew: it remembers what it listed."""
_SALT = secrets.token_bytes(16)


@dataclass(frozen=True, slots=True)
class Asker:
    """As whom upstream is asked.

    Attributes:
        token: The upstream's token; None for a stranger.
        key: What the answers are remembered by: tells nobody the token, and is forgotten with the process.
    """

    token: str | None = field(default=None, repr=False)
    key: str = ""


STRANGER = Asker()


def asker(token: str | None) -> Asker:
    """Return who a token stands for."""
    return (
        Asker(token, hashlib.sha256(_SALT + token.encode(errors="replace")).hexdigest())
        if token
        else STRANGER
    )


@dataclass(slots=True)
class _Open:
    questions: Asked
    reads: Asked
    retrying: Source
    asked: int = 0


class Clients:
    """Open hubs, by upstream and asker."""

    def __init__(self, policy: Policy | None = None) -> None:
        """Nothing is opened yet; `policy` says how stubbornly a broken download is gone on with."""
        self._policy = policy or Policy.from_environment()
        self._open: OrderedDict[tuple[str, str, str], _Open] = OrderedDict()

    async def questions(self, upstream: Upstream, who: Asker) -> Asked:
        """Return the hub for questions about repositories."""
        found = await self._opened(upstream, who)
        found.asked += 1
        if found.asked > _QUESTIONS:
            old, found.questions, found.asked = found.questions, self._source(upstream, who), 0
            await old.close()
        return found.questions

    async def reads(self, upstream: Upstream, who: Asker) -> Source:
        """Return the hub for content; what breaks there is gone on with."""
        return (await self._opened(upstream, who)).retrying

    async def close(self) -> None:
        """Close every connection."""
        while self._open:
            await self._closed(self._open.popitem()[1])

    async def _opened(self, upstream: Upstream, who: Asker) -> _Open:
        key = upstream.hub, upstream.endpoint, who.key
        if key not in self._open:
            reads = self._source(upstream, who)
            account = account_at(upstream.hub, upstream.endpoint, self._policy)
            self._open[key] = _Open(self._source(upstream, who), reads, RetryingSource(reads, account))
        self._open.move_to_end(key)
        found = self._open[key]
        while len(self._open) > _MOST:  # one that is closed while it is used opens its connections again
            await self._closed(self._open.popitem(last=False)[1])
        return found

    @staticmethod
    async def _closed(one: _Open) -> None:
        await one.questions.close()
        await one.reads.close()

    @staticmethod
    def _source(upstream: Upstream, who: Asker) -> Asked:
        make = ModelScopeSource if upstream.hub == "ms" else HuggingFaceSource
        try:
            return make(upstream.endpoint, who.token)
        except UsageError:
            if who.token is None:
                raise
            return make(upstream.endpoint, None)  # a token must not travel unencrypted: then it does not
