"""Hubs as they are asked for somebody: connections of each account, and no more of them than are used."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.hubs.huggingface.source import HuggingFaceSource
from hubferry.hubs.modelscope.source import ModelScopeSource
from hubferry.hubs.wrapping import WrappedSource
from hubferry.patience import Policy, account_at
from hubferry.retry import RetryingSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.hubs.ports import Piece, Source
    from hubferry.mirror.upstreams import Upstream
    from hubferry.model import RepoFile, Revision

Asked = HuggingFaceSource | ModelScopeSource
_MOST = 256
_QUESTIONS, _READS = 200, 10_000
"""After so many a source is made anew: it remembers what it listed, and where each file is."""
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
class _Used:
    """A source in use: closed when it is given up and nobody waits for anything of it."""

    source: Asked
    times: int = 0
    waiting: int = 0
    given_up: bool = False

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[Asked, None]:
        """Give the source, which stays open as long as the block lasts."""
        self.waiting += 1
        try:
            yield self.source
        finally:
            self.waiting -= 1
            await self._close_if_unused()

    async def give_up(self) -> None:
        self.given_up = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self.given_up and not self.waiting:
            await self.source.close()


class _Reads(WrappedSource):
    """A source for content."""

    def __init__(self, used: _Used) -> None:
        super().__init__(used.source)
        self._used = used

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Read, and keep the source open for that."""
        self._used.times += 1
        async with self._used.use(), aclosing(super().read(revision, file, start, stop)) as pieces:
            async for piece in pieces:
                yield piece


@dataclass(slots=True)
class _Open:
    questions: _Used
    reads: _Used
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
        if found.questions.times >= _QUESTIONS:
            old, found.questions = found.questions, _Used(self._source(upstream, who))
            await old.give_up()
        found.questions.times += 1
        async with found.questions.use() as source:
            yield source

    async def reads(self, upstream: Upstream, who: Asker) -> Source:
        """Return the hub for content; what breaks there is gone on with."""
        found = await self._opened(upstream, who)
        if found.reads.times >= _READS:
            old, found.reads = found.reads, _Used(self._source(upstream, who))
            found.retrying = self._retrying(upstream, found.reads)
            await old.give_up()
        return found.retrying

    async def close(self) -> None:
        """Close every connection."""
        while self._open:
            _key, one = self._open.popitem()
            await one.questions.source.close()
            await one.reads.source.close()

    async def _opened(self, upstream: Upstream, who: Asker) -> _Open:
        key = upstream.hub, upstream.endpoint, who.key
        if key not in self._open:
            reads = _Used(self._source(upstream, who))
            questions = _Used(self._source(upstream, who))
            self._open[key] = _Open(questions, reads, self._retrying(upstream, reads))
        self._open.move_to_end(key)
        found = self._open[key]
        while len(self._open) > _MOST:
            _key, unused = self._open.popitem(last=False)
            await unused.questions.give_up()
            await unused.reads.give_up()
        return found

    def _retrying(self, upstream: Upstream, reads: _Used) -> Source:
        account = account_at(upstream.hub, upstream.endpoint, self._policy)
        return RetryingSource(_Reads(reads), account)

    @staticmethod
    def _source(upstream: Upstream, who: Asker) -> Asked:
        make = ModelScopeSource if upstream.hub == "ms" else HuggingFaceSource
        try:
            return make(upstream.endpoint, who.token)
        except UsageError:
            if who.token is None:
                raise
            return make(upstream.endpoint, None)  # a token must not travel unencrypted: then it does not
