"""Fetch files into the cache over several connections, while others may already read what has come.

Large files arrive in parts at their offset in a partial file, small ones whole and in batches. A file gets
its final name after its hash is right, never before.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from hubferry.cache.disk import disk_errors
from hubferry.cache.partial import CHUNK, PartialFile, missing_ranges, partial_path
from hubferry.errors import HubferryError, IntegrityError, InterruptedRunError, NotFoundError
from hubferry.events import FileDone, FileStarted, Listener, Progress
from hubferry.i18n import _
from hubferry.stream.growing import GrowingFile, Hashes, StartedOverError
from hubferry.stream.schedule import SMALL, Part, Schedule

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.cache.store import ModelDirectory
    from hubferry.hubs.ports import Source
    from hubferry.model import Digests, RepoFile, Revision
    from hubferry.stream.gate import Gate

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_FLUSH = 4 * CHUNK
_ATTEMPTS = 2
"""How often a file is fetched in all when its hash turns out wrong."""


class Intake:
    """Bring files of one revision into one model directory."""

    def __init__(
        self,
        source: Source,
        revision: Revision,
        model: ModelDirectory,
        *,
        gate: Gate,
        schedule: Schedule,
        executor: Executor,
        listen: Listener,
        keep: bool = True,
    ) -> None:
        """Take what is needed; nothing starts before `run`.

        With `keep` false a file counts as in flight, and bars others, until `gone` is said of it.
        """
        self._source = source
        self._revision = revision
        self._model = model
        self._gate = gate
        self._schedule = schedule
        self._executor = executor
        self._listen = listen
        self._keep = keep
        self._files: dict[str, RepoFile] = {}
        self._arrivals: dict[str, asyncio.Future[Digests]] = {}
        self._growing: dict[str, asyncio.Future[GrowingFile]] = {}
        self._followers: dict[str, int] = {}
        self._wrong: dict[str, int] = {}
        self._proofs: set[asyncio.Task[None]] = set()
        self._batch: asyncio.Queue[tuple[RepoFile, bytes, Digests]] = asyncio.Queue(maxsize=256)
        self._work_changed = asyncio.Event()
        self._ended = False
        self._unsettled = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self.fetched = 0

    def add(self, files: Iterable[RepoFile]) -> None:
        """Take in files to fetch; a size is known for each. Largest first, whatever their order here."""
        loop = asyncio.get_running_loop()
        for file in sorted(files, key=lambda one: -(one.size or 0)):
            size = file.size or 0
            self._files[file.path] = file
            self._arrivals[file.path] = loop.create_future()
            self._unsettled += 1
            self._settled.clear()
            if size <= SMALL:
                self._schedule.add_small(file.path, size)
            else:
                self._growing[file.path] = loop.create_future()
                gaps = missing_ranges(self._partial_path(file), size)
                self._schedule.add(file.path, size, gaps)
                if not gaps:
                    self._open(file.path)
        self._wake()

    async def arrived(self, path: str) -> Digests:
        """Wait until a file has its final name."""
        return await asyncio.shield(self._arrivals[path])

    def outcomes(self) -> Iterator[tuple[str, Digests | HubferryError]]:
        """Yield, after `run`, what became of each file: its digests, or why it failed."""
        for path, arrival in self._arrivals.items():
            error = arrival.exception()
            if isinstance(error, HubferryError):
                yield path, error
            else:
                yield path, arrival.result()

    def streams(self, path: str) -> bool:
        """Return whether a file can be followed while it grows; small ones come at once."""
        return path in self._growing

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
        """Tell how far a follower has read; what it needs next is fetched next."""
        self._schedule.sent(path, position)
        self._wake()

    def gone(self, path: str) -> None:
        """Say that a file has left the disk, so that another one may come."""
        self._schedule.drop(path)
        self._wake()

    async def run(self) -> None:
        """Fetch everything that was added; return when each file has arrived or failed for itself.

        A failure that concerns the whole run (network, access, disk) is raised; one that concerns a file
        comes out of `arrived`.
        """
        count = min(self._gate.most, max(4, len(self._files)) if not self._growing else self._gate.most)
        workers = [asyncio.create_task(self._work(number)) for number in range(count)]
        everything = asyncio.create_task(self._until_settled())
        tasks = [everything, asyncio.create_task(self._write_batches()), *workers]
        try:
            while not everything.done():
                waiting = {*tasks, *self._proofs}
                done, _pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self._proofs -= done
                for task in done:
                    task.result()
        finally:
            await self._stop([*tasks, *self._proofs])

    async def _until_settled(self) -> None:
        await self._settled.wait()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ended = True
        for path, future in self._growing.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                if not self._arrivals[path].done():
                    future.result().fail(InterruptedRunError(_("the run was broken off")))
                self._release(path)

    async def _work(self, number: int) -> None:
        while True:
            changed = self._work_changed
            async with self._gate:
                self._schedule.undivided = self._source.ignores_ranges
                part = self._schedule.next(prefer_small=number % 4 == 0)
                if part is not None:
                    await self._fetch(part)
                    continue
            await changed.wait()

    async def _fetch(self, part: Part) -> None:
        try:
            if part.path in self._growing:
                await self._fetch_part(part)
            else:
                await self._fetch_small(self._files[part.path])
        except HubferryError as error:
            if not _concerns_one_file(error):
                raise
            self._fail(part.path, error)

    async def _fetch_small(self, file: RepoFile) -> None:
        size = file.size or 0
        self._listen(FileStarted("fetch", file.path, size))
        body = bytearray()
        if size:
            async with aclosing(self._source.read(self._revision, file, 0, size)) as pieces:
                async for piece in pieces:
                    body += piece
        self._count(file.path, len(body))
        hashes = Hashes(file, size)
        hashes.update(body)
        digests = hashes.digests()
        if digests.fit(file):
            await self._batch.put((file, bytes(body), digests))
        elif self._again(file.path):
            self._listen(Progress("fetch", file.path, -len(body)))
            self._schedule.add_small(file.path, size)
        else:
            self._fail(file.path, _wrong_bytes(file))

    async def _write_batches(self) -> None:
        while True:
            batch = [await self._batch.get()]
            while not self._batch.empty():
                batch.append(self._batch.get_nowait())
            await self._in_thread(self._model.put_many, batch)
            for file, _body, digests in batch:
                self._arrive(file, digests)

    async def _fetch_part(self, part: Part) -> None:
        growing = self._open(part.path)
        position, held, pieces = part.start, 0, list[bytes]()
        async with aclosing(self._source.read(self._revision, growing.file, part.start, part.stop)) as stream:
            async for piece in stream:
                pieces.append(piece)
                held += len(piece)
                if held >= _FLUSH:
                    full, pieces = _cut(pieces, held - held % CHUNK)
                    held %= CHUNK
                    position = await self._land(growing, position, full)
        if pieces:
            await self._land(growing, position, pieces)

    async def _land(self, growing: GrowingFile, position: int, pieces: list[bytes]) -> int:
        length = await self._in_thread(growing.partial.write, position, pieces)
        growing.landed(position, position + length)
        self._count(growing.file.path, length)
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
        self._proofs.add(asyncio.create_task(self._prove(growing)))
        return growing

    async def _prove(self, growing: GrowingFile) -> None:
        """Wait for the hash of a whole file; give it its name, fetch it again, or give it up."""
        file = growing.file
        try:
            digests = await growing.hash()
        except IntegrityError as error:
            if growing.whole and self._again(file.path):
                self._start_over(growing)
            else:
                growing.partial.forget()
                growing.fail(error)
                self._fail(file.path, error)
            return
        growing.proven(digests)
        await self._in_thread(self._model.publish, file, growing.partial.path, digests)
        growing.partial.discard_map()
        self._arrive(file, digests)

    def _start_over(self, growing: GrowingFile) -> None:
        """Fetch a whole but wrong file once more, into the same partial; its readers start anew as well."""
        file, size = growing.file, growing.partial.size
        growing.partial.forget()
        self._growing[file.path] = asyncio.get_running_loop().create_future()
        growing.fail(StartedOverError(_wrong_bytes(file).message, side="source", path=file.path))
        self._schedule.drop(file.path)
        self._schedule.add(file.path, size, [(0, size)])
        self._grow(growing.partial, file)
        self._wake()

    def _again(self, path: str) -> bool:
        self._wrong[path] = self._wrong.get(path, 0) + 1
        return self._wrong[path] < _ATTEMPTS

    def _count(self, path: str, count: int) -> None:
        self.fetched += count
        self._listen(Progress("fetch", path, count))

    def _arrive(self, file: RepoFile, digests: Digests) -> None:
        self._arrivals[file.path].set_result(digests)
        self._settle()
        if self._keep:
            self._schedule.drop(file.path)
        self._listen(FileDone("fetch", file.path, file.size or 0))
        self._release(file.path)
        self._wake()

    def _fail(self, path: str, error: HubferryError) -> None:
        self._schedule.drop(path)
        if not self._arrivals[path].done():
            self._settle()
        for future in (self._arrivals[path], self._growing.get(path)):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # somebody may wait for it, nobody has to
        self._wake()

    def _settle(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._settled.set()

    def _release(self, path: str) -> None:
        """Close a file that will not grow any more and that nobody reads."""
        future = self._growing.get(path)
        if future is None or not future.done() or future.exception() is not None:
            return
        if (self._ended or self._arrivals[path].done()) and not self._followers.get(path):
            future.result().partial.close()

    async def _in_thread(
        self, action: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
    ) -> Result:
        def guarded() -> Result:
            with disk_errors(self._model.path):
                return action(*arguments, **keywords)

        return await asyncio.get_running_loop().run_in_executor(self._executor, guarded)

    def _partial_path(self, file: RepoFile) -> Path:
        return partial_path(self._model.partial_directory, file)

    def _wake(self) -> None:
        self._work_changed.set()
        self._work_changed = asyncio.Event()


def _concerns_one_file(error: HubferryError) -> bool:
    return isinstance(error, (IntegrityError, NotFoundError))


def _wrong_bytes(file: RepoFile) -> IntegrityError:
    message = _("{path}: the bytes that arrived are not those the source lists").format(path=file.path)
    return IntegrityError(message, side="source", path=file.path)


def _cut(pieces: list[bytes], count: int) -> tuple[list[bytes], list[bytes]]:
    """Split a list of pieces after `count` bytes without joining them."""
    taken: list[bytes] = []
    for index, piece in enumerate(pieces):
        if len(piece) > count:
            return [*taken, piece[:count]] if count else taken, [piece[count:], *pieces[index + 1 :]]
        taken.append(piece)
        count -= len(piece)
    return taken, []
