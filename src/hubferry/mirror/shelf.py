"""The cache as a mirror's storage: where a file is, where one that is fetched goes, and who used what.

Each commit that a mirror fetches has a directory of its own, `<name>@<commit>`, unless one with that commit
is there already: what people fetched is completed, and never changed to another commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from hubferry.cache import update
from hubferry.cache.layers import only_read
from hubferry.cache.partial import missing_ranges, partial_path
from hubferry.errors import DiskError, HubferryError, LockedError
from hubferry.mirror.index import Index, Place, proven
from hubferry.tasks import to_the_end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.cache.directory import ModelDirectory
    from hubferry.cache.store import Cache
    from hubferry.mirror.quota import Coming, Quota
    from hubferry.mirror.snapshots import View
    from hubferry.model import Digests, RepoFile, RepoRef

_LINGER = 1.5
"""Seconds for which a directory is held after its last file: mostly another one follows."""
_WAIT = 5.0
"""Seconds to wait for another run that holds a directory."""
_USED = 600.0
"""Seconds after which a use is written down again."""
_LOGGER = logging.getLogger(__name__)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_Small = tuple["RepoFile", bytes, "Digests"]


@dataclass(slots=True)
class Slot:
    """A directory that is held open for files to come in.

    Attributes:
        model: The directory.
        view: The commit that it holds.
        users: How many files are on their way.
    """

    model: ModelDirectory
    view: View
    stack: ExitStack
    users: int = 0
    closing: asyncio.Task[None] | None = None
    small: list[_Small] = field(default_factory=list)
    writing: asyncio.Task[None] | None = None


class Shelf:
    """Finds and stores content. Lives on the event loop; the disk is worked with in threads."""

    def __init__(
        self, cache: Cache, executor: Executor, quota: Quota, may_share: Callable[[RepoRef], Awaitable[bool]]
    ) -> None:
        """Take the cache; `may_share` says of a repository whether its content is anybody's."""
        self.cache = cache
        self.index = Index(cache.roots)
        self._executor = executor
        self.quota = quota
        self._may_share = may_share
        self._slots: dict[tuple[RepoRef, str], asyncio.Task[Slot]] = {}
        self._used: dict[Path, float] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def find(self, view: View, file: RepoFile) -> Path | None:
        """Return where a file is whole and proven: in its own repository, else in one that is anybody's."""
        place = self.just_stored(view, file)
        if place is not None:
            return place
        for fresh in (True, False):
            if not fresh or not self.index.is_fresh:
                await self.in_thread(self.index.refresh)
            for model in self.index.of(view.snapshot):
                if proven(model, file):
                    self._note_use(model)
                    return model.target(file.path)
            if self.index.is_fresh:
                break
        return await self._elsewhere(view, file)

    def just_stored(self, view: View, file: RepoFile) -> Path | None:
        """Return where a file is in a directory that files are coming into now."""
        task = self._slots.get(_key(view))
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        model = task.result().model
        return model.target(file.path) if proven(model, file) else None

    async def _elsewhere(self, view: View, file: RepoFile) -> Path | None:
        own = view.snapshot.ref()
        for place in self.index.places(file):
            found = replace(file, path=place.path)
            if proven(place.model, found) and await self._is_free(place, own):
                self._note_use(place.model)
                return place.model.target(place.path)
        return None

    async def _is_free(self, place: Place, own: RepoRef) -> bool:
        known = place.model.manifest
        return known is not None and (known.belongs_to(own) or await self._may_share(known.ref))

    async def digests(self, view: View, file: RepoFile) -> Digests | None:
        """Return what a file of the cache hashes to, None where it is not there."""
        for place in self.index.places(file):
            found = replace(file, path=place.path)
            if proven(place.model, found) and await self._is_free(place, view.snapshot.ref()):
                return place.model.known(found)
        return None

    @asynccontextmanager
    async def room(self, view: View, file: RepoFile) -> AsyncGenerator[Coming, None]:
        """Make room for what the disk has not of a file yet; see `Quota.room`."""
        needed = await self.in_thread(self._lacking, view, file)
        async with self.quota.room(self.cache.root, needed) as coming:
            yield coming

    def _lacking(self, view: View, file: RepoFile) -> int:
        """Return the bytes of a file that no earlier run has brought."""
        size = file.size or 0
        places = [partial_path(model.partial_directory, file) for model in self.index.of(view.snapshot)]
        gaps = [missing_ranges(place, size) for place in places]
        return min([size, *(sum(stop - start for start, stop in one) for one in gaps)])

    @asynccontextmanager
    async def slot(self, view: View) -> AsyncGenerator[Slot, None]:
        """Hold the directory of a commit.

        Raises:
            LockedError: Another run has it.
            DiskError: There is no right to write.
        """
        key = _key(view)
        task = self._slots.get(key)
        if task is None:
            task = self._slots[key] = asyncio.ensure_future(self._open(view))
            task.add_done_callback(lambda done: self._forget_failed(key, done))
        slot = await asyncio.shield(task)
        slot.users += 1
        if slot.closing is not None:
            slot.closing.cancel()
            slot.closing = None
        try:
            yield slot
        finally:
            slot.users -= 1
            if not slot.users:
                slot.closing = self._behind(self._close_soon(key, slot))

    def _forget_failed(self, key: tuple[RepoRef, str], task: asyncio.Task[Slot]) -> None:
        """Let whoever asks next try again."""
        if task.cancelled() or task.exception() is not None:
            self._slots.pop(key, None)

    async def _open(self, view: View) -> Slot:
        await self.in_thread(self.index.refresh)
        for held in self.index.of(view.snapshot):
            if not only_read(held.path) and update.staged(held) is None:  # which is somebody's next commit
                with suppress(LockedError, DiskError):
                    return await self.in_thread(self._hold, held, view)
        ref = replace(view.snapshot.ref(), revision=view.snapshot.commit)
        model = await self.in_thread(self.cache.open, ref)
        return await self.in_thread(self._hold, model, view)

    @staticmethod
    def _hold(model: ModelDirectory, view: View) -> Slot:
        with ExitStack() as stack:
            stack.enter_context(model.hold(wait=_WAIT))
            goal = update.Goal(view.snapshot.pinned(), view.listing, frozenset())
            update.begin(model, goal)
            return Slot(model, view, stack.pop_all())
        raise AssertionError

    def put_small(self, slot: Slot, item: _Small) -> asyncio.Task[None]:
        """Store a small file; those that come meanwhile are stored together."""
        slot.small.append(item)
        if slot.writing is None or slot.writing.done():
            slot.writing = asyncio.ensure_future(self._write(slot))
        return slot.writing

    async def _write(self, slot: Slot) -> None:
        while slot.small:
            batch, slot.small = slot.small, []
            await self.in_thread(slot.model.put_many, batch)

    async def publish(self, slot: Slot, file: RepoFile, partial: Path, digests: Digests) -> None:
        """Give a whole file its final name."""
        await self.in_thread(slot.model.publish, file, partial, digests)

    async def _close_soon(self, key: tuple[RepoRef, str], slot: Slot) -> None:
        await asyncio.sleep(_LINGER)
        if slot.users:
            return
        self._slots.pop(key, None)
        await self._close(slot)

    async def _close(self, slot: Slot) -> None:
        try:
            await self.in_thread(_settle, slot)
            await self.in_thread(self.index.refresh, force=True)
        except HubferryError as error:
            _LOGGER.warning("%s: %s", slot.model.path, error.message)

    def _note_use(self, model: ModelDirectory) -> None:
        """Write a use down now and then: what is least used goes first."""
        now = time.monotonic()
        if now - self._used.get(model.path, -_USED) < _USED:
            return
        self._used[model.path] = now
        self._behind(self.in_thread(_touch, model))

    def _behind(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that nobody waits for before the mirror ends."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def in_thread(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Work with the disk in a thread, to the end even when cancelled: a directory is held until then."""
        loop = asyncio.get_running_loop()
        return await to_the_end(loop.run_in_executor(self._executor, lambda: work(*arguments, **named)))

    async def close(self) -> None:
        """Write down what has come, and let every directory go."""
        slots = list(self._slots.values())
        self._slots.clear()
        for task in slots:
            with suppress(HubferryError):
                slot = await task
                if slot.closing is not None:
                    slot.closing.cancel()
                if slot.writing is not None:
                    await asyncio.gather(slot.writing, return_exceptions=True)
                await self._close(slot)
        await asyncio.gather(*self._running, return_exceptions=True)


def _key(view: View) -> tuple[RepoRef, str]:
    return replace(view.snapshot.ref(), revision=None), view.snapshot.commit


def _settle(slot: Slot) -> None:
    """Write down which files were asked for, and let the directory go."""
    model = slot.model
    with slot.stack:
        known = model.manifest
        here = {path for path, entry in known.files.items() if entry.here} if known is not None else set()
        model.expect(slot.view.snapshot.pinned(), slot.view.listing, here)
        model.settle()
        model.touch()


def _touch(model: ModelDirectory) -> None:
    with suppress(HubferryError), model.hold(wait=0):
        model.touch()
