"""One large file on its way in: fetched once, in the order in which its readers need it, read as it lands.

Whoever reads is a reader of the part it asked for. The end of the file waits for the hash of all of it, so
an answer with it is never whole and wrong. When the hash is wrong, all who had some of the bytes are let go.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk_errors
from hubferry.cache.partial import CHUNK, PartialFile
from hubferry.errors import AccessError, HubferryError, IntegrityError, NotFoundError
from hubferry.mirror.parts import PART, Parts, Reader
from hubferry.stream.growing import HELD_BACK, GrowingFile, StartedOverError
from hubferry.tasks import to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.hubs.ports import Source
    from hubferry.model import Digests, RepoFile, Revision

_LOGGER = logging.getLogger(__name__)
_FLUSH = 4 * CHUNK
_SOON = 0.1
"""Seconds after which what has come is written and shown, however little."""
_LINGER = 2.0
"""Seconds for which a file is held open of which nobody wants more: mostly somebody does."""
_LANES = 8
"""Connections for one file."""
_TRIES = 3
"""Times that a file may come wrong before its readers hear of it."""


class _WrongContentError(IntegrityError):
    """All has come, and is not what was listed."""


@dataclass(frozen=True, slots=True)
class Means:
    """What fetching needs.

    Attributes:
        executor: For the disk and for hashing.
        lanes: Lets so many connections at once be open, of all files together.
        fetched: Told how many bytes have come.
        wrong: Told who has had bytes of a file that has come wrong; None is everybody.
    """

    executor: Executor
    lanes: asyncio.Semaphore
    fetched: Callable[[int], None]
    wrong: Callable[[frozenset[str] | None], None]


class Arrival:
    """A large file that arrives. Lives on the event loop."""

    def __init__(self, revision: Revision, file: RepoFile, places: tuple[Path, Path], means: Means) -> None:
        """Go on with what an earlier run has left at the first of `places`; the second is the final one.

        Raises:
            DiskError: It cannot be opened.
        """
        self._revision = revision
        self.file = file
        self._means = means
        self.size = file.size or 0
        place, self.final = places
        with disk_errors(place, needed=self.size):
            self.partial = PartialFile(place, self.size)
        self.sources: list[Source] = []
        self._begin()
        self._wrong = 0
        self._changed = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()
        self._hashing: asyncio.Task[Digests] | None = None
        self._error: HubferryError | None = None
        self._open = 1
        self._was_begun = self.parts.missing != [(0, self.size)]
        self._fed: set[str] = set()

    def _begin(self, *, whole: bool = False) -> None:
        self.growing = GrowingFile(self.file, self.partial, self._means.executor)
        self.parts = Parts(self.size, self.partial.missing(), whole)

    @contextmanager
    def reading(self, part: range, source: Source, client: str, *, whole: bool) -> Iterator[Reading]:
        """Be a reader of a part; `source` is the hub as it is asked for whoever reads, at address `client`.

        `whole` makes all of the file come, and so does its end, which waits for the hash.
        """
        start, stop = part.start, part.stop
        reader = Reader(start, stop)
        self._fed.add(client)
        self.parts.readers.append(reader)
        self.sources = [source, *(one for one in self.sources if one is not source)][:8]
        self.parts.whole = self.parts.whole or whole or stop > max(0, self.size - HELD_BACK)
        self._open += 1
        self._wake()
        try:
            yield Reading(self, self.growing, reader)
        finally:
            if reader in self.parts.readers:
                self.parts.readers.remove(reader)
            self._let_go()

    async def run(self) -> Digests | None:
        """Fetch what is wanted until all is here and right; None when nobody wants any more of it.

        Raises:
            HubferryError: It cannot be had; its readers are told the same.
        """
        try:
            while True:
                try:
                    digests = await self._until_right_or_unwanted()
                except _WrongContentError as error:
                    self._start_over(error)
                else:
                    if digests is not None:
                        self.growing.proven(digests)
                    return digests
        except HubferryError as error:
            self.growing.fail(error)
            raise
        except Exception as error:  # whatever it is, nobody is to wait for what does not come
            named = self._named(error)
            self.growing.fail(named)
            raise named from error
        finally:
            await self._end_work()

    def close(self) -> None:
        """Let go of the file as soon as nobody reads it any more."""
        self._let_go()

    def _let_go(self) -> None:
        self._open -= 1
        self._wake()
        if not self._open:
            self.partial.close()

    def _start_over(self, error: IntegrityError) -> None:
        self._wrong += 1
        self._means.wrong(None if self._was_begun else frozenset(self._fed))
        self.growing.fail(StartedOverError(error.message, side="source", path=self.file.path))
        with disk_errors(self.partial.path):
            self.partial.forget()
        if self._wrong >= _TRIES:
            raise error
        self._begin(whole=True)
        self._was_begun, self._fed = False, set()

    async def _until_right_or_unwanted(self) -> Digests | None:
        while True:
            self._changed.clear()
            if self._error is not None:
                raise self._error
            if self.parts.whole and self._hashing is None:
                self._hashing = asyncio.ensure_future(self.growing.hash())
                self._hashing.add_done_callback(lambda _task: self._wake())
            if self._hashing is not None and self._hashing.done():
                hashing, self._hashing = self._hashing, None
                return self._right(hashing)
            self._spawn()
            if self._work or self.parts.whole or self.parts.readers:
                await self._changed.wait()
            elif not await self._somebody_comes():
                return None

    async def _somebody_comes(self) -> bool:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), _LINGER)
            return True
        return False

    @staticmethod
    def _right(hashing: asyncio.Task[Digests]) -> Digests:
        try:
            return hashing.result()
        except IntegrityError as error:
            raise _WrongContentError(error.message, side=error.side, path=error.path) from error

    def _spawn(self) -> None:
        lanes = 1 if self.sources and self.sources[0].ignores_ranges else _LANES
        while len(self._work) < lanes and self.parts.are_wanted:
            task = asyncio.ensure_future(
                self._fetch_next(self.parts, self.growing, self.size if lanes == 1 else PART)
            )
            self._work.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._error = self._error or self._named(error)
        self._wake()

    def _named(self, error: BaseException) -> HubferryError:
        """Return an error of ours for any; one that nobody has foreseen is written down."""
        if isinstance(error, HubferryError):
            return error
        _LOGGER.error("%s does not arrive", self.file.path, exc_info=error)
        return HubferryError(str(error) or type(error).__name__, side="source", path=self.file.path)

    async def _fetch_next(self, parts: Parts, growing: GrowingFile, most: int) -> None:
        async with self._means.lanes:
            part = parts.take(most)
            if part is None:
                return
            start, stop = part
            try:
                await self._fetch(part, growing)
                start = stop
            finally:
                parts.give_back((max(start, growing.reach(start)), stop))

    async def _fetch(self, part: tuple[int, int], growing: GrowingFile) -> None:
        """Fetch a part; when the account it is asked with may not have it, ask with another reader's."""
        for source in list(self.sources):
            try:
                return await self._stream(source, part, growing)
            except (AccessError, NotFoundError):
                if source is self.sources[-1]:
                    raise
        return None

    async def _stream(self, source: Source, part: tuple[int, int], growing: GrowingFile) -> None:
        position, stop = part
        loop = asyncio.get_running_loop()
        held = bytearray()
        shown = loop.time()
        async with aclosing(source.read(self._revision, self.file, position, stop)) as pieces:
            async for piece in pieces:
                held += piece
                self._means.fetched(len(piece))
                late = loop.time() - shown > _SOON and len(held) >= CHUNK
                if len(held) >= _FLUSH or late:
                    position = await self._write(growing, position, held, last=False)
                    shown = loop.time()
        await self._write(growing, position, held, last=True)

    async def _write(self, growing: GrowingFile, position: int, held: bytearray, *, last: bool) -> int:
        """Write whole chunks, or all that is left; the rest stays in `held`."""
        count = len(held) if last else len(held) // CHUNK * CHUNK
        if not count:
            return position
        content = bytes(memoryview(held)[:count])
        del held[:count]
        loop = asyncio.get_running_loop()
        with disk_errors(self.partial.path, needed=count):
            # or the file might be closed, and its descriptor be another's, while a thread still writes
            await to_the_end(
                loop.run_in_executor(self._means.executor, self.partial.write, position, [content])
            )
        growing.landed(position, position + count)
        return position + count

    async def _end_work(self) -> None:
        left = [*self._work, *([self._hashing] if self._hashing is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _wake(self) -> None:
        self._changed.set()


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader's hold on a file that arrives."""

    arrival: Arrival
    growing: GrowingFile
    reader: Reader

    async def beyond(self, position: int) -> int:
        """Return up to where the bytes from `position` are there, once some are.

        Raises:
            HubferryError: They will not come; or (StartedOverError) some that were there were wrong.
        """
        self.reader.position = position
        self.arrival._wake()  # noqa: SLF001  # of one mind: what is fetched next depends on it
        return await self.growing.beyond(position)
