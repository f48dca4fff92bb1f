"""What one run holds open: both hubs behind their wrappers, what this machine holds, the threads."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry import impostors, places, remember, survey, within
from hubferry.budgeted import BudgetedDestination
from hubferry.cache.names import Place
from hubferry.cache.roots import folder_records
from hubferry.cache.store import Cache
from hubferry.cached import CacheHoldings
from hubferry.config import tokens
from hubferry.errors import DiskError, IntegrityError
from hubferry.holdings import FolderHoldings
from hubferry.hubs import (
    FolderAccess,
    open_catalog,
    open_destination,
    open_duplicates,
    open_pull_requests,
    open_reference_writer,
    open_source,
)
from hubferry.hubs.reaching import budget_of, concurrency_of, endpoint_of, prepare
from hubferry.move import SLOTS, Moved, Tools, move, send
from hubferry.patience import Policy, account_at
from hubferry.rate_limit import RateLimitedDestination, RateLimitedSource
from hubferry.retry import (
    RetryingCatalog,
    RetryingDestination,
    RetryingReferenceWriter,
    RetryingSource,
)
from hubferry.signed import reading
from hubferry.stream.concurrency import ConcurrencyLimit, ConcurrencyLimitedSource
from hubferry.stream.download import ConnectionLimits
from hubferry.stream.upload import Upload
from hubferry.tasks import Threads
from hubferry.typed import reference

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from hubferry.cache.directory import ModelDirectory
    from hubferry.errors import Side
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog, Destination, PullRequests, ReferenceWriter, Source
    from hubferry.layered import LayerHoldings
    from hubferry.model import Digests, Plan, RepoRef, Step
    from hubferry.options import Options
    from hubferry.patience import Account
    from hubferry.signed.covered import Covered
    from hubferry.survey import SourceSide

MOST_CONNECTIONS = 32
"""Connections for parts of large files at most; how many there are is the limit's decision."""
FIRST_CONNECTIONS = 16
_READERS = 4
"""Parts of files that are read from volumes at once: a disk that turns is at one place at a time."""
SMALL_CONNECTIONS = 48
"""Connections for small files: 2,000 of them at 30 ms a request take 1.3 s."""


def _least(*limits: int | None) -> int | None:
    """Return the lowest of several limits, None where there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


def _connections(most: int | None) -> ConnectionLimits:
    """Return how many connections may be open, at most `most` where that was said."""
    large = ConcurrencyLimit(most or MOST_CONNECTIONS, most or FIRST_CONNECTIONS)
    return ConnectionLimits(large, large if most else ConcurrencyLimit(SMALL_CONNECTIONS, SMALL_CONNECTIONS))


class Session:
    """Open what a run needs and close it again, whatever happens."""

    destination: Destination
    destination_ref: RepoRef

    def __init__(self, source: str, destination: str | None, options: Options, listen: Listener) -> None:
        """Parse the names; nothing is opened before the session is entered."""
        self.options = options
        self.listen = listen
        self.source_ref = reference(source, options.source, "hf")
        if destination is not None:
            self.destination_ref = survey.destination_ref(
                reference(destination, options.destination, "ms", new=True), self.source_ref
            )
        self._has_destination = destination is not None
        most = _READERS if options.volumes else concurrency_of(self.source_ref, options.source)
        self.connections = _connections(_least(options.jobs, most))
        self.cache = Cache(options.cache_root)
        self._budgets = ExitStack()
        self._threads = Threads(max_workers=8, thread_name_prefix="hubferry")
        self.holdings: CacheHoldings | FolderHoldings | LayerHoldings = (
            FolderHoldings()
            if self.source_ref.hub == "dir" and self._has_destination
            else CacheHoldings(self.cache, self.source_ref, options, self._threads, listen)
        )
        if self._has_destination and self._is_offline:
            asked = replace(self.source_ref, hub="dir") if options.volumes else self.source_ref
            remember.refuse_copy(asked, self.destination_ref)

    @property
    def _is_offline(self) -> bool:
        return self.options.offline or remember.offline()

    @property
    def _asks_source(self) -> bool:
        """Whether the source is a hub, and is asked."""
        return self.source_ref.hub != "dir" and not self.options.volumes

    @property
    def offline(self) -> bool:
        """Whether the source is a hub that must not be asked."""
        return self._is_offline and self._asks_source

    async def __aenter__(self) -> Self:
        """Open the hubs."""
        policy, options = Policy.from_environment(), self.options
        await self._prepare()
        budgets = [budget_of(self.source_ref, options.source) if self._asks_source else None]
        access = options.source
        raw = open_source(
            self.source_ref,
            token=access.token,
            endpoint=access.endpoint,
            allow_insecure=access.insecure,
            folder=self._folder_access(),
            volumes=options.volumes,
        )
        source: Source = ConcurrencyLimitedSource(raw, self.connections.large, self.connections.small)
        if options.fetch_rate:
            source = RateLimitedSource(source, options.fetch_rate)
        account = account_at(self.source_ref.hub, self.source_ref.endpoint or access.endpoint, policy)
        self.source: Source = RetryingSource(source, account, self.listen)
        if self._has_destination:
            access = options.destination
            budget = budget_of(self.destination_ref, access)
            budgets.append(budget)
            destination: Destination = open_destination(
                self.destination_ref,
                token=access.token,
                endpoint=access.endpoint,
                allow_insecure=access.insecure,
                listen=self.listen,
                wait=options.wait,
                unfinished=_unfinished(options),
            )
            if budget is not None and budget.commits_per_hour is not None:
                destination = BudgetedDestination(destination, budget, self.listen)
            if options.send_rate:
                destination = RateLimitedDestination(destination, options.send_rate)
            where = self.destination_ref.endpoint or access.endpoint
            account = account_at(self.destination_ref.hub, where, policy)
            self.destination = RetryingDestination(destination, account, self.listen)
        for shared in {one for one in budgets if one is not None}:
            self._budgets.enter_context(shared.joined(self.listen))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the hubs, and wait for the threads: nothing is written after a run has ended in any way."""
        self._budgets.close()
        async with AsyncExitStack() as closing:
            closing.push_async_callback(asyncio.to_thread, self._threads.shutdown)
            if self._has_destination:
                closing.push_async_callback(self.destination.close)
            closing.push_async_callback(self.source.close)

    async def _prepare(self) -> None:
        """Get the tokens that commands give; who does not want to wait for them any longer ends them."""
        sides = [(self.source_ref, self.options.source)] if self._asks_source and not self.offline else []
        if self._has_destination:
            sides.append((self.destination_ref, self.options.destination))
        loop = asyncio.get_running_loop()
        for ref, access in sides:
            try:
                await loop.run_in_executor(self._threads, prepare, ref, access)
            except asyncio.CancelledError:
                tokens.stop()
                raise

    def _folder_access(self) -> FolderAccess | None:
        if self.source_ref.hub != "dir":
            return None
        records = None
        with suppress(DiskError):  # nowhere to remember it: then the folder is read each time
            records = folder_records(self.cache.root)
        return FolderAccess(self.options.allow, records, self.listen)

    def catalog(self, side: Side = "source", *, hash_files: bool = False) -> Catalog:
        """Open one side's hub for looking; whoever asks closes it. See `hubs.open_catalog`."""
        at_source = side == "source"
        ref, access = (
            (self.source_ref, self.options.source)
            if at_source
            else (self.destination_ref, self.options.destination)
        )
        catalog = open_catalog(
            ref,
            token=access.token,
            endpoint=access.endpoint,
            allow_insecure=access.insecure,
            side=side,
            folder=self._folder_access() if hash_files and at_source else None,
        )
        account = account_at(ref.hub, ref.endpoint or access.endpoint, Policy.from_environment())
        return RetryingCatalog(catalog, account, self.listen)

    def reference_writer(self, catalog: Catalog) -> ReferenceWriter | None:
        """Open the destination for making tags and branches; whoever asks closes it. None for a folder.

        `catalog` is that of the destination, for looking whether a name was made when its answer is lost.
        """
        ref, access = self.destination_ref, self.options.destination
        writer = open_reference_writer(
            ref, token=access.token, endpoint=access.endpoint, allow_insecure=access.insecure
        )
        return writer and RetryingReferenceWriter(writer, catalog, self.patience(), self.listen)

    def pull_requests(self) -> PullRequests | None:
        """Open the destination for pull requests; whoever asks closes it. None where it has none."""
        ref, access = self.destination_ref, self.options.destination
        return open_pull_requests(
            ref, token=access.token, endpoint=access.endpoint, allow_insecure=access.insecure
        )

    def patience(self) -> Account:
        """Return how long the destination is waited for."""
        ref, access = self.destination_ref, self.options.destination
        return account_at(ref.hub, ref.endpoint or access.endpoint, Policy.from_environment())

    async def given(self, plan: Plan) -> frozenset[str]:
        """Let a hub that is both sides' copy by itself what it can; see `within.given`."""
        here, there, access = self.source_ref, self.destination_ref, self.options.destination
        if not (here.hub == there.hub == "hf") or here.repo_id == there.repo_id:
            return frozenset()
        if endpoint_of(here, self.options.source.endpoint) != endpoint_of(there, access.endpoint):
            return frozenset()
        duplicates = open_duplicates(
            there, token=access.token, endpoint=access.endpoint, allow_insecure=access.insecure
        )
        assert duplicates is not None  # noqa: S101 - it is at Hugging Face
        try:
            return await within.given(plan, duplicates, self.destination, self.patience(), self.listen)
        finally:
            await duplicates.close()

    async def look_at_source(self) -> SourceSide:
        """List the source; see `survey.look_at_source`. A folder that is published is not brought here."""
        in_place = isinstance(self.holdings, FolderHoldings)
        options = self.options
        place = Place(lambda: True) if in_place else self.cache.place_for(self.source_ref, options.directory)
        side = await survey.look_at_source(self.source, self.source_ref, options, self.listen, place)
        self.holdings.expect(side)
        return side

    async def guard(self, side: SourceSide) -> SourceSide:
        """Look for weights that are none in the listing of a hub; see `impostors.guard`."""
        if self.source_ref.hub == "dir":
            return side
        return await impostors.guard(self.source, side, self.options, refuse=self._has_destination)

    async def signed(self, side: SourceSide, adapted: Collection[str] = ()) -> SourceSide:
        """Verify what the source says of its files, if that was asked for, and find what would break it."""
        wanted = self.options.verify_signature
        if wanted is None and not adapted and len(side.files) == len(side.listing):
            return side
        said: tuple[Covered, ...] = ()
        names: tuple[str, ...] = ()
        try:
            said = await reading.read(self.source, side)
        except IntegrityError:
            if wanted is not None:
                raise  # else nobody has asked what it says
        if wanted is not None:
            names = await reading.verified(self.source, side, said, wanted, self.listen)
        found = (*side.revision.findings, *reading.broken(said, side, adapted))
        return replace(side, revision=replace(side.revision, findings=found, signed=names))

    @asynccontextmanager
    async def open(self, plan: Plan) -> AsyncGenerator[CacheHoldings | FolderHoldings | LayerHoldings, None]:
        """Hold the place that a plan's content comes from: one that is only read, where one has it all."""
        if isinstance(self.holdings, CacheHoldings):
            in_place = await self.holdings.in_place(plan, while_held=not self._has_destination)
            self.holdings = in_place or self.holdings
        async with self.holdings.open():
            yield self.holdings

    async def move(self, plan: Plan, held: Mapping[str, Digests]) -> Moved:
        """Move the plan's bytes; see `move.move`. What is only read is sent from where it is."""
        place = self.holdings
        if isinstance(place, CacheHoldings):
            return await move(plan, held, self._tools(place.model))
        if not self._has_destination:
            return Moved(dict(held))
        upload = Upload(
            self.destination,
            plan.destination.ref,
            place.standing,
            slots=self.slots,
            executor=self._threads,
            listen=self.listen,
        )
        return await send(
            plan, held, upload, lambda step: self.content(plan, step), keep_going=self.options.keep_going
        )

    def _tools(self, model: ModelDirectory) -> Tools:
        """Return what moving bytes needs."""
        return Tools(
            source=self.source,
            connections=self.connections,
            destination=self.destination if self._has_destination else None,
            model=model,
            executor=self._threads,
            listen=self.listen,
            keep=self.options.cache,
            slots=self.slots,
            keep_going=self.options.keep_going,
            follows=not self._has_destination or self._limit_of_destination != 1,
        )

    @property
    def _limit_of_destination(self) -> int | None:
        """Connections that the destination's hub may have from all of this process, None for no limit."""
        budget = budget_of(self.destination_ref, self.options.destination)
        return None if budget is None else budget.concurrency

    @property
    def slots(self) -> int:
        """Blobs on their way at once."""
        limit = None
        if self._has_destination:
            limit = concurrency_of(self.destination_ref, self.options.destination)
        return min(SLOTS, _least(self.options.jobs, limit) or SLOTS)

    def content(self, plan: Plan, step: Step) -> bytes:
        """Return what a file inside the commit contains: what was adapted, else what is held."""
        adapted = plan.adapted.get(step.file.path)
        return self.holdings.content(step) if adapted is None else adapted

    def message(self, plan: Plan) -> str:
        """Return the commit's message."""
        return self.options.message or f"Copy {survey.pinned(plan.source)} with hubferry"


def _unfinished(options: Options) -> Path | None:
    """Return where uploads in parts are remembered; nowhere by a run that is to leave nothing."""
    state = places.state() if options.cache else None
    return None if state is None else state / "uploads"
