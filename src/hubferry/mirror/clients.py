"""Hubs as they are asked for somebody: connections of each account, and no more of them than are used."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.hubs.huggingface.source import HuggingFaceSource
from hubferry.hubs.modelscope.source import ModelScopeSource
from hubferry.patience import Policy, account_at
from hubferry.retry import RetryingSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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
class _Questions:
    """A source for questions: closed when it is given up and nobody waits for an answer of it."""

    source: Asked
    asked: int = 0
    waiting: int = 0
    given_up: bool = False

    async def close_if_unused(self) -> None:
        if self.given_up and not self.waiting:
            await self.source.close()


@dataclass(slots=True)
class _Open:
    questions: _Questions
    reads: Asked
    retrying: Source


class Clients:
    """Open hubs, by upstream and asker."""

    def __init__(self, policy: Policy | None = None) -> None:
        """Nothing is opened yet; `policy` says how stubbornly a broken download is gone on with."""
        self._policy = policy or Policy.from_environment()
        self._open: OrderedDict[tuple[str, str, str], _Open] = OrderedDict()

    @asynccontextmanager
    async def questions(self, upstream: Upstream, who: Asker) -> AsyncGenerator[Asked, None]:
        """Give the hub for questions about repositories, which stays open as long as the block lasts."""
        found = await self._opened(upstream, who)
        if found.questions.asked >= _QUESTIONS:
            old, found.questions = found.questions, _Questions(self._source(upstream, who))
            await self._give_up(old)
        questions = found.questions
        questions.asked += 1
        questions.waiting += 1
        try:
            yield questions.source
        finally:
            questions.waiting -= 1
            await questions.close_if_unused()

    async def reads(self, upstream: Upstream, who: Asker) -> Source:
        """Return the hub for content; what breaks there is gone on with."""
        return (await self._opened(upstream, who)).retrying

    async def close(self) -> None:
        """Close every connection."""
        while self._open:
            _key, one = self._open.popitem()
            await one.questions.source.close()
            await one.reads.close()

    async def _opened(self, upstream: Upstream, who: Asker) -> _Open:
        key = upstream.hub, upstream.endpoint, who.key
        if key not in self._open:
            reads = self._source(upstream, who)
            account = account_at(upstream.hub, upstream.endpoint, self._policy)
            questions = _Questions(self._source(upstream, who))
            self._open[key] = _Open(questions, reads, RetryingSource(reads, account))
        self._open.move_to_end(key)
        found = self._open[key]
        while len(self._open) > _MOST:
            _key, unused = self._open.popitem(last=False)
            await self._give_up(unused.questions)
            await unused.reads.close()  # what is being read goes on by connections that are opened again
        return found

    @staticmethod
    async def _give_up(questions: _Questions) -> None:
        questions.given_up = True
        await questions.close_if_unused()

    @staticmethod
    def _source(upstream: Upstream, who: Asker) -> Asked:
        make = ModelScopeSource if upstream.hub == "ms" else HuggingFaceSource
        try:
            return make(upstream.endpoint, who.token)
        except UsageError:
            if who.token is None:
                raise
            return make(upstream.endpoint, None)  # a token must not travel unencrypted: then it does not
