"""The content of files: from the cache where it is there, else from upstream, once however many ask."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubferry.cache.partial import partial_path
from hubferry.errors import HubferryError, IntegrityError, NetworkError, NotFoundError
from hubferry.i18n import _
from hubferry.mirror.arrival import Arrival, Means
from hubferry.stream.growing import Hashes
from hubferry.stream.schedule import SMALL

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.hubs.ports import Source
    from hubferry.mirror.counts import Counts
    from hubferry.mirror.doubt import Doubt
    from hubferry.mirror.quota import Coming
    from hubferry.mirror.shelf import Shelf, Slot
    from hubferry.mirror.snapshots import View
    from hubferry.model import Digests, RepoFile, RepoRef

_LANES = 32
"""Connections to upstream for content, of all files together."""
_TRIES = 3
_LOGGER = logging.getLogger(__name__)
Key = tuple[str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a commit that is asked for, and the hub as it is asked for whoever does; None asks none."""

    view: View
    file: RepoFile
    source: Source | None


@dataclass(frozen=True, slots=True)
class Small:
    """A small file that has just come."""

    content: bytes
    digests: Digests


class Contents:
    """Fetches content. Lives on the event loop."""

    def __init__(self, shelf: Shelf, executor: Executor, counts: Counts, doubt: Doubt) -> None:
        """Take what is needed."""
        self.shelf = shelf
        self.doubt = doubt
        self._executor = executor
        self._counts = counts
        self._lanes = asyncio.Semaphore(_LANES)
        self._small_lanes = asyncio.Semaphore(_LANES)
        self._small: dict[Key, asyncio.Task[Small]] = {}
        self._large: dict[Key, asyncio.Future[Arrival]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, wanted: Wanted) -> Path | Small | Arrival:
        """Return where a file is whole; else its content, if that is small; else its arrival.

        Raises:
            HubferryError: It cannot be had.
        """
        place = await self.shelf.find(wanted.view, wanted.file) or self.shelf.just_stored(
            wanted.view, wanted.file
        )
        if place is not None:
            return place
        return await (self.small(wanted) if is_small(wanted.file) else self.large(wanted))

    async def small(self, wanted: Wanted) -> Small:
        """Return a small file's content, which goes to the cache behind the answer's back.

        Raises:
            HubferryError: It cannot be had.
        """
        key = _key(wanted)
        task = self._small.get(key)
        if task is None:
            task = self._small[key] = asyncio.ensure_future(self._fetch_small(wanted))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._start(self._store_small(key, wanted, task))
        return await asyncio.shield(task)

    async def _fetch_small(self, wanted: Wanted) -> Small:
        file = _demand_provable(wanted)
        source = source_of(wanted)
        size = file.size or 0
        async with self._small_lanes:
            for _number in range(_TRIES):
                content = bytearray()
                if size:
                    pinned = wanted.view.snapshot.pinned()
                    async with aclosing(source.read(pinned, file, 0, size)) as pieces:
                        async for piece in pieces:
                            content += piece
                self._counts.fetched += len(content)
                hashes = Hashes(file, size)
                await self.shelf.in_thread(hashes.update, content)
                if (digests := hashes.digests()).fit(file):
                    return Small(bytes(content), digests)
                self._counts.wrong += 1
        raise wrong(file)

    async def _store_small(self, key: Key, wanted: Wanted, task: asyncio.Task[Small]) -> None:
        try:
            small = await asyncio.shield(task)
            async with self.shelf.room(wanted.view, wanted.file), self.shelf.slot(wanted.view) as slot:
                stored = self.shelf.put_small(slot, (wanted.file, small.content, small.digests))
                await asyncio.shield(stored)  # others' files are stored with this one
        except HubferryError as error:
            _LOGGER.warning("%s: %s", wanted.file.path, error.message)
        finally:
            self._small.pop(key, None)

    async def large(self, wanted: Wanted) -> Arrival:
        """Return a large file that arrives; it goes on doing so whoever leaves.

        Raises:
            HubferryError: It cannot be begun.
        """
        key = _key(wanted)
        found = self._large.get(key)
        if found is None:
            _demand_provable(wanted)
            source_of(wanted)
            found = self._large[key] = asyncio.get_running_loop().create_future()
            found.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._start(self._bring(key, wanted, found))
        return await asyncio.shield(found)

    async def _bring(self, key: Key, wanted: Wanted, begun: asyncio.Future[Arrival]) -> None:
        arrival: Arrival | None = None
        try:
            async with (
                self.shelf.room(wanted.view, wanted.file) as coming,
                self.shelf.slot(wanted.view) as slot,
            ):
                arrival = await self._begin(wanted, slot, coming)
                begun.set_result(arrival)
                digests = await arrival.run()
                if digests is not None:
                    await self.shelf.publish(slot, wanted.file, arrival.partial.path, digests)
                    with suppress(OSError):
                        arrival.partial.discard_map()
        except HubferryError as error:
            _LOGGER.warning("%s: %s", wanted.file.path, error.sentence)
            if not begun.done():
                begun.set_exception(error)
        except Exception as error:
            _LOGGER.exception("%s cannot be kept", wanted.file.path)
            if not begun.done():
                begun.set_exception(HubferryError(str(error) or type(error).__name__, side="cache"))
        finally:
            self._large.pop(key, None)
            if not begun.done():
                begun.cancel()
            if arrival is not None:
                arrival.close()

    async def _begin(self, wanted: Wanted, slot: Slot, coming: Coming) -> Arrival:
        place = partial_path(slot.model.partial_directory, wanted.file)
        name = digest_of(wanted.file)

        def count(fetched: int) -> None:
            self._counts.fetched += fetched
            coming.landed += fetched

        def doubt(clients: frozenset[str] | None) -> None:
            self._counts.wrong += 1
            self.doubt.add(name, clients)

        means = Means(self._executor, self._lanes, count, doubt)
        final = slot.model.target(wanted.file.path)
        pinned = wanted.view.snapshot.pinned()
        return await self.shelf.in_thread(Arrival, pinned, wanted.file, (place, final), means)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def digests(self, wanted: Wanted) -> Digests:
        """Return what a file hashes to, which is fetched for that where the cache does not have it.

        Raises:
            HubferryError: It cannot be had.
        """
        known = await self.shelf.digests(wanted.view, wanted.file)
        return known if known is not None else (await self.small(wanted)).digests

    async def close(self) -> None:
        """End everything; what has landed stays for the next time."""
        tasks = [*self._tasks, *self._small.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.shelf.close()


def is_small(file: RepoFile) -> bool:
    """Return whether a file comes at one go, and is held in memory for that."""
    return (file.size or 0) <= SMALL


def digest_of(file: RepoFile) -> str:
    """Return the digest by which a file is known."""
    return file.sha256 or file.git_sha1 or ""


def wrong(file: RepoFile) -> IntegrityError:
    """Say that upstream sends other bytes than it lists."""
    message = _("{path}: the bytes that arrived are not those the source lists").format(path=file.path)
    return IntegrityError(message, side="source", path=file.path)


def _key(wanted: Wanted) -> Key:
    ref: RepoRef = wanted.view.snapshot.ref()
    return ref.hub, ref.repo_type, ref.repo_id, digest_of(wanted.file), wanted.file.size or 0


def source_of(wanted: Wanted) -> Source:
    """Return the hub that a file is asked for.

    Raises:
        NotFoundError: None is asked.
    """
    if wanted.source is None:
        raise NotFoundError(
            _("{path} is not in the cache, and no hub is asked").format(path=wanted.file.path)
        )
    return wanted.source


def _demand_provable(wanted: Wanted) -> RepoFile:
    file = wanted.file
    if file.size is None or not digest_of(file):
        message = _("{path}: the hub lists no digest, so that nothing could prove it").format(path=file.path)
        raise NetworkError(message, side="source")
    return file
