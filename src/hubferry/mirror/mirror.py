"""A mirror: what it asks, where it keeps, whom it lets have what. Handlers of both dialects go through it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hubferry.errors import GatedError, HubferryError
from hubferry.mirror.asking import Desk
from hubferry.mirror.clients import STRANGER, Asker, Clients, asker
from hubferry.mirror.content import Contents, Wanted
from hubferry.mirror.counts import Counts
from hubferry.mirror.doubt import Doubt
from hubferry.mirror.local import from_cache
from hubferry.mirror.memory import Memory
from hubferry.mirror.notes import Notes
from hubferry.mirror.quota import Quota
from hubferry.mirror.refusals import said
from hubferry.mirror.relay import Relay
from hubferry.mirror.shelf import Shelf
from hubferry.mirror.upstreams import Choice, Names, Upstream
from hubferry.model import RepoRef, RepoType
from hubferry.serve.recent import Recent
from hubferry.serve.refusal import Reason, Refusal
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from hubferry.cache.store import Cache
    from hubferry.hubs.ports import Source
    from hubferry.mirror.asking import Found
    from hubferry.mirror.snapshots import Listed, View
    from hubferry.model import Digests
    from hubferry.patience import Policy
    from hubferry.serve.access import Account

_THREADS = 16
_AT_ONCE = 32
_MOST_NUMBERS = 10_000
"""Datasets of which it is remembered by which number they were described."""
_LOGGER = logging.getLogger(__name__)


class UpstreamToken(Protocol):
    """Tells with which token a hub is asked for an account of this one; None for none."""

    def __call__(self, account: Account, upstream: str) -> str | None:
        """Return the token that `account` left here for `upstream`, `hf` or `ms`."""
        ...


def no_token(account: Account, upstream: str) -> str | None:
    """Ask as a stranger, whoever wants it."""
    del account, upstream
    return None  # a token, or none


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a mirror was started.

    Attributes:
        upstreams: At most one a dialect.
        ttl: Seconds for which a name is believed to mean the same commit.
        offline: Whether no hub is asked.
        is_open: Whether clients send the upstream's token, rather than one of this hub's.
        trusts_cache: Whether what the cache has may be shown without asking a hub who may read it; offline.
        quota: Bytes that the cache's root may take.
        choice: Which repositories may be asked for.
        names: How they are called at a hub of the other dialect.
        upstream_token: With which token a hub is asked for an account, where it is not open.
        patience: How stubbornly a broken download is gone on with; None is as the environment says.
    """

    upstreams: tuple[Upstream, ...]
    ttl: float = 300.0
    offline: bool = False
    is_open: bool = True
    trusts_cache: bool = True
    quota: int | None = None
    choice: Choice = field(default_factory=Choice)
    names: Names = field(default_factory=Names)
    upstream_token: UpstreamToken = no_token
    patience: Policy | None = None


class Mirror:
    """Everything that a mirror holds; made on the event loop that serves it."""

    def __init__(self, cache: Cache, wishes: Wishes) -> None:
        """Nothing is asked or created yet."""
        self.wishes = wishes
        self.counts = Counts()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mirror")
        self.clients = Clients(wishes.patience)
        notes = Notes(cache.root)
        self.memory = Memory(notes)
        self.doubt = Doubt(notes)
        quota = Quota(wishes.quota, self._threads, self._evicted)
        self.shelf = Shelf(cache, self._threads, quota, self._may_share)
        self.desk = Desk(
            self.clients,
            self.memory,
            ttl=wishes.ttl,
            offline=wishes.offline,
            cached=(lambda ref: from_cache(self.shelf.index, ref))
            if wishes.trusts_cache
            else (lambda _ref: None),
        )
        self.relay = Relay(self.clients, notes, ttl=wishes.ttl, offline=wishes.offline)
        self.contents = Contents(self.shelf, self._threads, self.counts, self.doubt)
        self.numbers: Recent[int, str] = Recent(_MOST_NUMBERS)
        self._by_dialect = {one.dialect: one for one in wishes.upstreams}

    def upstream(self, dialect: str) -> Upstream | None:
        """Return the hub that answers clients of a dialect."""
        return self._by_dialect.get(dialect)  # type: ignore[call-overload, no-any-return]

    def asker(self, upstream: Upstream, token: str | None, account: Account | None) -> Asker:
        """Return as whom a hub is asked for a client with this token, or this account.

        A token of one hub is never sent to the other.
        """
        if self.wishes.is_open:
            return STRANGER if upstream.translated else asker(token)
        return asker(self.wishes.upstream_token(account, upstream.hub)) if account is not None else STRANGER

    async def look(
        self, upstream: Upstream, repo_id: str, kind: RepoType, revision: str | None, who: Asker
    ) -> Found:
        """Return the commit that a client means.

        Raises:
            Refusal: It is not to be asked for, or the hub says no, or nothing.
        """
        there = self.wishes.names.there(repo_id) if upstream.translated else repo_id
        if not self.wishes.choice.permits(repo_id, there):
            self.counts.refused += 1
            raise Refusal(Reason.FORBIDDEN, f"This mirror does not serve {repo_id}", about=repo_id)
        ref = RepoRef(upstream.hub, there, revision, kind)
        if self.wishes.offline:
            await self.shelf.in_thread(self.shelf.index.refresh)
        try:
            found = await self.desk.look(upstream, ref, who)
        except HubferryError as error:
            raise said(error, repo_id, revision if self.memory.known(ref).public else None) from error
        if upstream.translated and not found.public:
            text = (
                f"{there} is gated or private at the other hub, whose terms cannot be accepted here: "
                f"ask for it in that hub's own dialect"
            )
            raise Refusal(Reason.FORBIDDEN, text, about=repo_id)
        self.counts.stale += found.stale
        self.counts.fresh += not found.stale
        return found

    async def wanted(self, upstream: Upstream, found: Found, path: str, who: Asker) -> Wanted:
        """Return a file that `who` may have.

        Raises:
            Refusal: There is none, or the hub does not give it to `who`.
        """
        file = found.view.files.get(path)
        if file is None:
            raise Refusal(Reason.ENTRY_MISSING, f"{path} does not exist at this revision", about=path)
        await self.demand_content(upstream, found, file, who)
        return await self._wanted(upstream, found.view, file, who)

    async def demand_content(self, upstream: Upstream, found: Found, file: Listed, who: Asker) -> None:
        """Return if `who` may have a file's content.

        Raises:
            Refusal: The hub says no, or cannot be asked.
        """
        try:
            await self.desk.demand_content(upstream, found, file, who)
        except HubferryError as error:
            raise said(_of_content(error), found.view.snapshot.repo_id, None) from error

    async def _wanted(self, upstream: Upstream, view: View, file: Listed, who: Asker) -> Wanted:
        source: Source | None = None
        if not self.wishes.offline and upstream.endpoint:
            source = await self.clients.reads(upstream, who)
        return Wanted(view, file.file, source)

    async def with_digests(self, upstream: Upstream, found: Found, who: Asker, *, git: bool) -> View:
        """Return the commit with the digests that a listing of the other dialect has to name.

        Of those that the hub does not list the files are fetched: they are small.

        Raises:
            Refusal: One cannot be had.
        """
        lacking = found.view.lacking(git=git)
        if not lacking:
            return found.view
        await self.demand_content(upstream, found, lacking[0], who)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def learn(file: Listed) -> tuple[str, Digests]:
            async with gate:
                wanted = await self._wanted(upstream, found.view, file, who)
                return file.path, await self.contents.digests(wanted)

        await self.shelf.in_thread(self.shelf.index.refresh)
        try:
            known = dict(await run_all(*(learn(file) for file in lacking)))
        except HubferryError as error:
            raise said(error, found.view.snapshot.repo_id, None) from error
        return await self.memory.keep(found.view.with_digests(known).snapshot)

    async def _may_share(self, ref: RepoRef) -> bool:
        upstream = next((one for one in self.wishes.upstreams if one.hub == ref.hub), None)
        if self.wishes.offline:
            upstream = None
        return await self.desk.is_public(upstream, RepoRef(ref.hub, ref.repo_id, None, ref.repo_type))

    def _evicted(self, count: int) -> None:
        self.counts.evicted += count

    async def close(self) -> None:
        """End what is on its way; what has landed is gone on with the next time."""
        await self.desk.close()
        await self.contents.close()
        await self.clients.close()
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)


def _of_content(error: HubferryError) -> HubferryError:
    """Return the error for content that is refused although the repository can be seen."""
    from hubferry.errors import AccessError, NotFoundError

    if isinstance(error, (AccessError, NotFoundError)) and not isinstance(error, GatedError):
        return GatedError(error.message, side=error.side)
    return error
