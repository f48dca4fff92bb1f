"""Fetch files into the cache over several connections, while others may already read what has come.

Large files arrive in parts at their offset in a partial file, small ones whole and in batches (`small`). A
file gets its final name after its hash is right, never before.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from hubferry.cache.disk import disk_errors
from hubferry.cache.partial import CHUNK, PartialFile, missing_ranges, partial_path
from hubferry.errors import HubferryError, IntegrityError, InterruptedRunError, NotFoundError
from hubferry.events import FileStarted
from hubferry.i18n import _
from hubferry.stream.arrivals import Arrivals, GivenUpError, wrong_bytes
from hubferry.stream.growing import GrowingFile, StartedOverError
from hubferry.stream.schedule import LARGEST_PART, SMALL, SMALLEST_PART, Part, Schedule
from hubferry.stream.small import SmallFiles

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.cache.store import ModelDirectory
    from hubferry.events import Listener
    from hubferry.hubs.ports import Source
    from hubferry.model import Digests, RepoFile, Revision
    from hubferry.stream.concurrency import ConcurrencyLimit

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_FLUSH = 4 * CHUNK
"""Bytes that are worth a visit to the disk."""
_SOON = 0.1
"""Seconds after which less than that is written too: an upload waits for it."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections each lane may have; with a fixed number both share one limit."""

    large: ConcurrencyLimit
    small: ConcurrencyLimit


class Download:
    """Bring files of one revision into one model directory."""

    def __init__(  # noqa: PLR0913  # collaborators, by name
        self,
        source: Source,
        revision: Revision,
        model: ModelDirectory,
        *,
        connections: ConnectionLimits,
        schedule: Schedule,
        executor: Executor,
        listen: Listener,
        keep: bool = True,
        keep_going: bool = False,
    ) -> None:
        """Take what is needed; nothing starts before `run`.

        With `keep` false a file counts as in flight, and bars others, until `gone` is said of it. With
        `keep_going` whatever concerns one file only ends that file only.
        """
        self._source = source
        self._revision = revision
        self._model = model
        self._concurrency = connections.large
        self._schedule = schedule
        self._executor = executor
        self._listen = listen
        self._keep = keep
        self._arrivals = Arrivals(listen, keep_going=keep_going)
        self._small = SmallFiles(
            source,
            revision,
            self._arrivals,
            concurrency=connections.small,
            put_many=lambda batch: self._in_thread(model.put_many, batch),
            listen=listen,
        )
        self.contents = self._small.contents
        self._files: dict[str, RepoFile] = {}
        self._growing: dict[str, asyncio.Future[GrowingFile]] = {}
        self._followers: dict[str, int] = {}
        self._proofs: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work_changed = asyncio.Event()
        self._ended = False
        self.arrived = self._arrivals.arrived
        self.outcomes = self._arrivals.outcomes

    @property
    def fetched(self) -> int:
        """Bytes that came over the network so far."""
        return self._arrivals.fetched

    def remember(self, paths: AbstractSet[str]) -> None:
        """Keep in `contents` what these files contain: those that are small, as far as there is room."""
        self._small.remember = paths

    def add(self, files: Iterable[RepoFile]) -> None:
        """Take in files to fetch; a size is known for each. Largest first, whatever their order here."""
        for file in sorted(files, key=lambda one: -(one.size or 0)):
            self._arrivals.expect(file.path)
            if (file.size or 0) <= SMALL:
                self._small.add(file)
            else:
                self._add_large(file)
        self._wake()

    def _add_large(self, file: RepoFile) -> None:
        size = file.size or 0
        self._files[file.path] = file
        self._growing[file.path] = asyncio.get_running_loop().create_future()
        gaps = missing_ranges(self._partial_path(file), size)
        self._schedule.add(file.path, size, gaps)
        if not gaps:
            self._open(file.path)

    def streams(self, path: str) -> bool:
        """Return whether a file can be followed while it grows; small ones come at once."""
        return path in self._growing

    def has_arrived(self, path: str) -> bool:
        """Return whether a file has its final name."""
        return self._arrivals.has_arrived(path)

    @asynccontextmanager
    async def following(self, path: str) -> AsyncGenerator[GrowingFile, None]:
        """Hold a growing file open for reading, from the moment it begins to arrive."""
        self._followers[path] = self._followers.get(path, 0) + 1
        try:
            yield await asyncio.shield(self._growing[path])
        finally:
            self._followers[path] -= 1
            self._release(path)

    def sent(self, path: str, position: int) -> None:
        """Tell how far a follower has read; what it needs next is fetched next.

        Nobody is woken: this changes which part comes next, never whether there is one.
        """
        self._schedule.sent(path, position)

    def gone(self, path: str) -> None:
        """Say that a file has left the disk, so that another one may come."""
        self._schedule.drop(path)
        self._wake()

    async def run(self) -> None:
        """Fetch everything that was added; return when each file has arrived or failed for itself.

        A failure that concerns the whole run (network, access, disk) is raised; one that concerns a file
        comes out of `arrived`.
        """
        everything = asyncio.create_task(self._arrivals.all_settled())
        tasks = {everything, *self._small.jobs()}
        if self._growing:
            tasks |= {asyncio.create_task(self._work()) for _number in range(self._concurrency.most)}
        pending: set[asyncio.Future[None]] = {self._broken, *tasks}
        try:
            while not everything.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self._broken.cancel()
            await self._stop(tasks | self._proofs)

    async def _stop(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ended = True
        for path, future in self._growing.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                if not self._arrivals.done(path):
                    future.result().fail(InterruptedRunError(_("the run was broken off")))
                self._release(path)

    async def _work(self) -> None:
        while True:
            changed = self._work_changed
            async with self._concurrency:
                self._schedule.undivided = self._source.ignores_ranges
                self._schedule.part = self._concurrency.part_size(SMALLEST_PART, LARGEST_PART)
                part = self._schedule.next()
                if part is not None:
                    await self._fetch(part)
                    continue
            await changed.wait()

    async def _fetch(self, part: Part) -> None:
        try:
            await self._fetch_part(part)
        except HubferryError as error:
            if not self._arrivals.concerns_one_file(error):
                raise
            self._fail(part.path, error)

    async def _fetch_part(self, part: Part) -> None:
        growing = self._open(part.path)
        position, rest, landed = part.start, bytearray(), time.monotonic()
        async with aclosing(self._source.read(self._revision, growing.file, part.start, part.stop)) as stream:
            async for piece in stream:
                there = len(rest) + len(piece)
                if there < CHUNK or (there < _FLUSH and time.monotonic() - landed < _SOON):
                    rest += piece
                    continue
                cut = len(piece) - there % CHUNK
                position = await self._land(growing, position, [rest, memoryview(piece)[:cut]])
                rest, landed = bytearray(memoryview(piece)[cut:]), time.monotonic()
        if rest:
            await self._land(growing, position, [rest])

    async def _land(self, growing: GrowingFile, position: int, pieces: list[bytearray | memoryview]) -> int:
        length = await self._in_thread(growing.partial.write, position, pieces)
        growing.landed(position, position + length)
        self._arrivals.count(growing.file.path, length)
        return position + length

    def _open(self, path: str) -> GrowingFile:
        """Return the growing file; open its partial when its first part is due."""
        future = self._growing[path]
        if future.done():
            return future.result()
        file = self._files[path]
        with disk_errors(self._model.path):
            partial = PartialFile(self._partial_path(file), file.size or 0)
        return self._grow(partial, file)

    def _grow(self, partial: PartialFile, file: RepoFile) -> GrowingFile:
        growing = GrowingFile(file, partial, self._executor)
        self._growing[file.path].set_result(growing)
        there = partial.size - sum(stop - start for start, stop in partial.missing())
        self._listen(FileStarted("fetch", file.path, partial.size, there))
        proof = asyncio.create_task(self._prove(growing))
        proof.add_done_callback(self._proof_ended)
        self._proofs.add(proof)
        return growing

    def _proof_ended(self, proof: asyncio.Task[None]) -> None:
        """Let a failure that concerns the whole run end it."""
        self._proofs.discard(proof)
        error = None if proof.cancelled() else proof.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def _prove(self, growing: GrowingFile) -> None:
        """Wait for the hash of a whole file; give it its name, fetch it again, or give it up."""
        file = growing.file
        try:
            digests = await growing.hash()
        except (IntegrityError, NotFoundError) as error:
            if self._arrivals.done(file.path):
                return  # a part of it failed, and whoever waits has been told
            if growing.whole and self._arrivals.may_try_again(file):
                self._start_over(growing)
            else:
                self._forget(growing)
                growing.fail(error)
                self._fail(file.path, error)
            return
        growing.proven(digests)
        await self._in_thread(self._name, growing, digests)
        self._arrivals.arrive(file, digests)
        if self._keep:
            self._schedule.drop(file.path)
        self._release(file.path)
        self._wake()

    def _name(self, growing: GrowingFile, digests: Digests) -> None:
        """Give a proven file its name; in one go, so that no cancellation leaves its map behind."""
        self._model.publish(growing.file, growing.partial.path, digests)
        growing.partial.discard_map()

    def _start_over(self, growing: GrowingFile) -> None:
        """Fetch a whole but wrong file once more, into the same partial; its readers start anew as well."""
        file, size = growing.file, growing.partial.size
        self._forget(growing)
        self._growing[file.path] = asyncio.get_running_loop().create_future()
        growing.fail(StartedOverError(wrong_bytes(file).message, side="source", path=file.path))
        self._schedule.drop(file.path)
        self._schedule.add(file.path, size, [(0, size)])
        self._grow(growing.partial, file)
        self._wake()

    def _forget(self, growing: GrowingFile) -> None:
        with disk_errors(self._model.path):
            growing.partial.forget()

    def _fail(self, path: str, error: HubferryError) -> None:
        self._schedule.drop(path)
        self._arrivals.fail(path, error)
        told = isinstance(error, (IntegrityError, NotFoundError))
        growing = self._growing[path].result()
        growing.fail(error if told else GivenUpError(error.message, side=error.side, path=path))
        self._wake()

    def _release(self, path: str) -> None:
        """Close a file that will not grow any more and that nobody reads.

        Parts of a file that failed may still be landing: it stays open to the end of the run.
        """
        future = self._growing.get(path)
        if future is None or not future.done() or future.exception() is not None:
            return
        if (self._ended or self._arrivals.has_arrived(path)) and not self._followers.get(path):
            future.result().partial.close()

    def _in_thread(
        self, action: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
    ) -> asyncio.Future[Result]:
        def guarded() -> Result:
            with disk_errors(self._model.path):
                return action(*arguments, **keywords)

        return asyncio.get_running_loop().run_in_executor(self._executor, guarded)

    def _partial_path(self, file: RepoFile) -> Path:
        return partial_path(self._model.partial_directory, file)

    def _wake(self) -> None:
        self._work_changed.set()
        self._work_changed = asyncio.Event()
