"""What the cache holds of a repository for one run: found, locked, added to, and written down."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import layered, remember, survey
from hubferry.cache import adopt, update
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import ROOM, disk, disk_errors
from hubferry.cache.layers import Layer
from hubferry.cache.names import PASSING_PREFIX
from hubferry.cache.partial import missing_ranges, partial_path
from hubferry.cache.roots import create_root
from hubferry.cache.store import free_bytes
from hubferry.errors import DiskError, DiskFullError, HubferryError, LockedError
from hubferry.events import Note, Waiting
from hubferry.holdings import Holdings, proven
from hubferry.i18n import _, ngettext
from hubferry.model import Action, Digests
from hubferry.places import is_directory
from hubferry.results import Fetched
from hubferry.stream.schedule import SMALL
from hubferry.tasks import run_all
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from concurrent.futures import Executor

    from hubferry.cache.listing import CachedModel
    from hubferry.cache.store import Cache
    from hubferry.events import Listener
    from hubferry.layered import LayerHoldings
    from hubferry.model import Plan, RepoFile, RepoRef, Step
    from hubferry.options import Options
    from hubferry.survey import SourceSide

SPARE_BYTES = 64 * 1024 * 1024
"""What is left free on the disk beyond the payload: manifests, journals, other people's work."""


class CacheHoldings(Holdings):
    """A model's directory in the cache; without a cache, one that is gone afterwards."""

    def __init__(
        self, cache: Cache, ref: RepoRef, options: Options, threads: Executor, listen: Listener
    ) -> None:
        """Prepare; nothing is created or locked before `open`."""
        self._cache = cache
        self._ref = ref
        self._options = options
        self._threads = threads
        self._listen = listen
        self._kept: ModelDirectory | None = None
        self._model: ModelDirectory | None = None
        self._goal: update.Goal | None = None
        self._side: SourceSide | None = None
        self._limit = _limit()

    def expect(self, side: SourceSide) -> None:
        """Take in what the source lists, and what was selected of it."""
        self._side = side
        self._goal = update.Goal(side.revision, side.listing, {file.path for file in side.files})

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Hold the model's directory, created and locked."""
        if not self._options.cache:
            async with self._passing():
                yield
            return
        model = self._cache.open(self._ref, directory=self._options.directory)
        self._model = self._kept = model
        with ExitStack() as stack:
            await self._hold(model, stack)
            yield
            model.touch()

    @property
    def model(self) -> ModelDirectory:
        """The directory that files go to, and are read from; there is one while it is held."""
        assert self._model is not None  # noqa: S101 - asked inside `open`
        return self._model

    async def _hold(self, model: ModelDirectory, stack: ExitStack) -> None:
        """Take the model's lock, waiting in small steps so that Ctrl-C is heard."""
        limit = self._options.wait
        deadline = None if limit is None else time.monotonic() + limit
        told = False
        while True:
            try:
                stack.enter_context(model.hold(wait=0))
            except LockedError as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if not told:
                    self._listen(Waiting(self._ref, error.message))
                told = True
                await asyncio.sleep(0.2)
            else:
                return

    @asynccontextmanager
    async def _passing(self) -> AsyncGenerator[None, None]:
        create_root(self._cache.root)
        with disk_errors(self._cache.root):
            place = Path(tempfile.mkdtemp(prefix=PASSING_PREFIX, dir=self._cache.root))
        try:
            self._model = ModelDirectory(place, self._ref)
            with self._model.hold(wait=0):
                yield
        finally:
            await asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, place, True)

    @cached_property
    def _layers(self) -> list[Layer]:
        """The model's directories that the cache had when this was first asked, the best first."""
        directory, cache = self._options.directory, self._cache
        if directory is None:
            models = cache.find_all(self._ref)
        else:
            models = [cache.at(directory, self._ref)] if is_directory(directory) else []
        root = None
        with suppress(DiskError):  # nowhere to remember it: then what has to be read is read each time
            root = cache.root
        return [Layer(model, root) for model in models]

    async def in_place(self, plan: Plan, *, while_held: bool) -> LayerHoldings | None:
        """Return where reading alone carries out a plan, None where it does not; see `layered.find`."""
        if not self._options.cache or self._side is None:
            return None
        return await layered.find(self._layers, self._side, plan, self._listen, while_held=while_held)

    @property
    def answering(self) -> remember.Question:
        """What the cache is asked when the hub is not."""
        found = [layer.model for layer in self._layers]
        if self._options.directory is None:
            found += self._cache.all_of(self._ref)
        return remember.Question(self._ref, found, self._options.include, self._options.exclude)

    def known(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what is here and proven; see `Holdings.known`."""
        found: dict[str, Digests] = {}
        for layer in self._layers if self._options.cache else ():
            with layer.disk_errors():
                staged = update.staged(layer.model)
                found = survey.known(layer, files) | survey.known(staged, files) | found
        return found

    def place_of(self, file: RepoFile) -> Path | None:
        """Return where the content of `file` is, proven, in any of the model's directories; None nowhere."""
        layers = self._layers if self._options.directory is not None else [*self._layers, *self._others]
        for layer in layers if self._options.cache else ():
            with suppress(HubferryError):  # a place that may not be read holds nothing for us
                if layer.known(file) is not None and layer.is_readable([file]):
                    return layer.target(file.path)
        return None

    @cached_property
    def _others(self) -> list[Layer]:
        """The model's directories of other revisions."""
        return [Layer(model, None) for model in self._cache.all_of(self._ref)]

    def adoptable(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what other caches of this machine claim to hold by name; nothing is read or linked."""
        found = adopt.find(files, self._ref, self._cache.roots)
        return {
            file.path: Digests(file.size or 0, file.sha256, file.git_sha1)
            for file in files
            if file.path in found and file.sha256
        }

    async def hold(self, files: Sequence[RepoFile], plan: Plan) -> dict[str, Digests]:
        """Look for the plan's files in the cache, then in other caches; read what has to be read."""
        needed = {step.file.path for step in plan.steps if step.fetches or _is_sent(step)}
        loop = asyncio.get_running_loop()
        shared = await loop.run_in_executor(self._threads, self._begin) if self._options.cache else 0
        held = await self._each(self.model.lookup, files)
        absent = [file for file in files if file.path in needed and file.path not in held]
        if not self._options.cache:
            return held
        adopted = await self._adopt_all(absent) if absent else {}
        if shared or adopted:
            message = ngettext(
                "{count} file was already on this machine and is not fetched",
                "{count} files were already on this machine and are not fetched",
                shared + len(adopted),
            )
            self._listen(Note(message.format(count=shared + len(adopted))))
        return held | adopted

    def _begin(self) -> int:
        """Make the model's directory ready for the commit; return how many files its other revisions gave."""
        assert self._kept is not None  # noqa: S101 - called inside `open`
        assert self._goal is not None  # noqa: S101 - the source was looked at before
        self._model = work = update.begin(self._kept, self._goal)
        known, shared = work.manifest, 0
        if self._options.directory is not None or known is None or known.is_settled:
            return 0
        wanted = [file for file in self._goal.listing if file.path in self._goal.wanted]
        for other in self._cache.all_of(self._ref):
            if other.path != self._kept.path:
                with suppress(DiskError):  # another disk, or one without links: its files are adopted
                    shared += work.share(other, wanted)
        return shared

    async def _adopt_all(self, absent: Sequence[RepoFile]) -> dict[str, Digests]:
        """Take in what other caches of this machine have."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: adopt.find(absent, self._ref, self._cache.roots)
        )
        origins = {path: place for path, place in found.items() if place != self.model.target(path)}
        here = [file for file in absent if file.path in origins]
        small = [(file, origins[file.path]) for file in here if (file.size or 0) <= SMALL]
        together, singly = await run_all(
            asyncio.get_running_loop().run_in_executor(self._threads, self.model.adopt_many, small),
            self._each(
                lambda file: self.model.adopt(file, origins[file.path]),
                [file for file in here if (file.size or 0) > SMALL],
            ),
        )
        return together | singly

    async def _each(
        self, look: Callable[[RepoFile], Digests | None], files: Sequence[RepoFile]
    ) -> dict[str, Digests]:
        """Apply `look` to each file in the threads; keep what it found.

        Small ones take one thread: looking at names leaves nothing that several could do at once.
        """
        loop = asyncio.get_running_loop()

        def part(some: Sequence[RepoFile]) -> dict[str, Digests]:
            found = ((file.path, look(file)) for file in some)
            return {path: digests for path, digests in found if digests is not None}

        large = [file for file in files if (file.size or 0) > SMALL]
        parts = [[file for file in files if (file.size or 0) <= SMALL], *(large[at::4] for at in range(4))]
        results = await run_all(*(loop.run_in_executor(self._threads, part, some) for some in parts))
        return {path: digests for result in results for path, digests in result.items()}

    def check_space(self, plan: Plan, at_once: int) -> None:
        """Refuse a run that cannot fit, before its first byte.

        Raises:
            DiskFullError: The disk has less free than what is yet to come.
            DiskError: The cache is limited, and has no room for it whatever goes.
        """
        if self._options.cache:
            needed = self.resumed(plan).fetch_bytes
        else:
            sizes = sorted((step.file.size or 0 for step in plan.steps if step.fetches), reverse=True)
            needed = sum(sizes[: at_once + 2])
        lacking = needed + SPARE_BYTES - free_bytes(self.model.path)
        if needed > 0 and self._limit is not None and self._kept is not None:
            self._make_room(self._kept.path, self._limit, needed=needed, lacking=lacking)
            lacking = needed + SPARE_BYTES - free_bytes(self.model.path)
        if needed > 0 and lacking > 0:
            raise self._too_full(needed, lacking)

    def _make_room(self, place: Path, limit: int, *, needed: int, lacking: int) -> None:
        """Let older models of the same root go, as far as the limit wants it, and say so."""
        if place.is_symlink() or place.parent not in self._cache.roots:
            return  # a directory that somebody named, or linked, takes no room of the cache
        from hubferry.cache import quota

        def say(model: CachedModel) -> None:
            message = _("removed {model} ({size}) to make room, as {variable} says")
            words = {"model": model.title, "size": readable_size(model.disk), "variable": quota.VARIABLE}
            self._listen(Note(message.format(**words)))

        quota.make_room(place.parent, quota.Need(needed, lacking, place), limit, say)

    def _too_full(self, needed: int, lacking: int) -> DiskFullError:
        message = _(
            "the disk of {path} has {free} free, and {needed} have to come; {lacking} more are needed, since "
            "{spare} are left free for records and other programs"
        )
        words = {
            "free": readable_size(needed + SPARE_BYTES - lacking),
            "needed": readable_size(needed),
            "lacking": readable_size(lacking),
            "spare": readable_size(SPARE_BYTES),
        }
        path = self.model.path
        return DiskFullError(message.format(path=path, **words), side="cache", path=str(path), hint=ROOM)

    def resumed(self, plan: Plan) -> Plan:
        """Return a plan that counts what an earlier run has left in partial files; nothing is created."""
        if not self._options.cache:
            return plan
        places = {place: self._unfinished(place) for place in self._partial_places()}
        landed: dict[str, int] = {}
        for step in plan.steps:
            size = step.file.size or 0
            for place, names in places.items() if step.fetches else ():
                path = partial_path(place, step.file)
                if path.name in names:
                    there = size - sum(stop - start for start, stop in missing_ranges(path, size))
                    landed[path.name] = max(there, landed.get(path.name, 0))
        return replace(plan, landed=sum(landed.values()))

    def _partial_places(self) -> list[Path]:
        """Return where partial files of this run are: while nothing is held, where they may be."""
        if self._model is not None:
            return [self._model.partial_place]
        models = [layer.model for layer in self._layers]
        return [one.partial_place for model in models for one in (update.staged(model), model) if one]

    @staticmethod
    def _unfinished(place: Path) -> set[str]:
        with suppress(OSError):
            return {entry.name for entry in disk.scandir(place)}
        return set()

    def content(self, step: Step) -> bytes:
        """Read a small file; see `Holdings.content`."""
        return proven(self.model, step)

    def record(self) -> None:
        """Let the directory hold the new commit, if all that was asked for of it is here."""
        if self._options.cache and self._kept is not None and self._model is not None:
            assert self._goal is not None  # noqa: S101 - the source was looked at before
            self._model = update.settle(self._kept, self._model, self._goal)

    def name_strangers(self, listen: Listener) -> None:
        """Say which files of the directory are not of the commit: they were put there, and stay."""
        remember.name_strangers(self._kept or self.model, listen)

    def fetched(self, side: SourceSide, moved: int) -> Fetched:
        """Return what is here now, after `moved` bytes came over the network."""
        model = self._kept or self.model
        known = model.manifest
        return Fetched(
            model.path,
            side.revision.commit,
            len(side.files),
            sum(file.size or 0 for file in side.files),
            moved,
            whole=known is not None and known.whole,
            findings=side.revision.findings,
        )

    def mark_published(self, plan: Plan, commit: str) -> None:
        """Write down that the destination holds what the directory does: all of one commit, and proven."""
        model = self._model
        known = model.manifest if model is not None else None
        if model is None or known is None or not self._options.cache:
            return
        if known.whole and known.commit == plan.source.commit:
            model.mark_published(plan.destination.ref, commit)

    def note_same(self, plan: Plan) -> None:
        """Write down, if the cache has the model, that it was used and is published. Nothing waits."""
        with suppress(HubferryError):  # in use by another run, or a disk that cannot be written
            ours = (layer.model for layer in self._layers if not layer.only_read)
            self._kept = self._model = next(ours, None) if self._options.cache else None
            if self._kept is not None and self._model is not None:
                with self._kept.hold(wait=0):
                    if self._goal is not None:
                        self._model = update.mend(self._kept, self._goal, fill=self._options.whole_cache)
                    self._model.touch()
                    self.mark_published(plan, plan.destination.commit)


def _is_sent(step: Step) -> bool:
    """Return whether a plan takes a file's content from this machine, perhaps from another directory."""
    return step.cached and step.action in (Action.SEND, Action.FETCH_SEND, Action.INLINE)


def _limit() -> int | None:
    """Return the bytes that the cache may take; most runs have no limit, and import nothing for one."""
    if not os.environ.get("HUBFERRY_CACHE_LIMIT"):
        return None
    from hubferry.cache import quota

    return quota.limit()
