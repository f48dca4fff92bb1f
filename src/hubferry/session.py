"""What one run holds open: both hubs behind their wrappers, the model's directory, the threads."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import refs, remember, survey
from hubferry.cache import adopt, update
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import ROOM, disk, disk_errors
from hubferry.cache.names import PASSING_PREFIX
from hubferry.cache.partial import missing_ranges, partial_path
from hubferry.cache.roots import create_root
from hubferry.cache.store import Cache, free_bytes
from hubferry.errors import DiskError, DiskFullError, HubferryError, IntegrityError, LockedError
from hubferry.events import Note, Waiting
from hubferry.hubs import open_destination, open_source
from hubferry.hubs.credentials import huggingface_endpoint, modelscope_endpoint
from hubferry.i18n import _, ngettext
from hubferry.model import Digests
from hubferry.move import SLOTS, Tools
from hubferry.pace import PacedDestination, PacedSource
from hubferry.retry import Policy, RetryingDestination, RetryingSource
from hubferry.stream.gate import Gate, GatedSource
from hubferry.stream.growing import Hashes
from hubferry.stream.intake import Doors
from hubferry.stream.schedule import SMALL
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from hubferry.events import Listener
    from hubferry.hubs.ports import Destination, Source
    from hubferry.model import HubName, Plan, RepoFile, RepoRef, Step
    from hubferry.options import Access, Options
    from hubferry.plan import Side

MOST_CONNECTIONS = 32
"""Connections for parts of large files at most; how many there are is the gate's decision."""
FIRST_CONNECTIONS = 16
SMALL_CONNECTIONS = 48
"""Connections for small files: 2,000 of them at 30 ms a request take 1.3 s."""
SPARE_BYTES = 64 * 1024 * 1024
"""What is left free on the disk beyond the payload: manifests, journals, other people's work."""


class Session:
    """Open what a run needs and close it again, whatever happens."""

    destination: Destination
    destination_ref: RepoRef

    def __init__(self, source: str, destination: str | None, options: Options, listen: Listener) -> None:
        """Parse the names; nothing is opened before the session is entered."""
        self.options = options
        self.listen = listen
        self.source_ref = _parsed(source, options.source, "hf")
        if destination is not None:
            self.destination_ref = survey.destination_ref(
                _parsed(destination, options.destination, "ms"), self.source_ref
            )
        self._has_destination = destination is not None
        most = options.jobs or MOST_CONNECTIONS
        large = Gate(most, options.jobs or FIRST_CONNECTIONS)
        small = large if options.jobs else Gate(SMALL_CONNECTIONS, SMALL_CONNECTIONS)
        self.doors = Doors(large, small)
        self.cache = Cache(options.cache_root)
        self._kept: ModelDirectory | None = None
        self._model: ModelDirectory | None = None
        self._goal: update.Goal | None = None
        if self._has_destination and self._is_offline:
            remember.refuse_copy(self.source_ref, self.destination_ref)

    @property
    def _is_offline(self) -> bool:
        return self.options.offline or remember.offline()

    @property
    def offline(self) -> bool:
        """Whether the source is a hub that must not be asked."""
        return self._is_offline and self.source_ref.hub != "dir"

    async def __aenter__(self) -> Self:
        """Open the hubs."""
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="hubferry")
        policy, options = Policy.from_environment(), self.options
        access = options.source
        raw = open_source(
            self.source_ref, token=access.token, endpoint=access.endpoint, allow_insecure=access.insecure
        )
        source: Source = GatedSource(raw, self.doors.large, self.doors.small)
        if options.fetch_rate:
            source = PacedSource(source, options.fetch_rate)
        self.source: Source = RetryingSource(source, policy, self.listen)
        if self._has_destination:
            access = options.destination
            destination: Destination = open_destination(
                self.destination_ref,
                token=access.token,
                endpoint=access.endpoint,
                allow_insecure=access.insecure,
            )
            if options.send_rate:
                destination = PacedDestination(destination, options.send_rate)
            self.destination = RetryingDestination(destination, policy, self.listen)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the hubs, and wait for the threads: nothing is written after a run has ended."""
        await self.source.close()
        if self._has_destination:
            await self.destination.close()
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    async def look_at_source(self) -> Side:
        """List the source; see `survey.look_at_source`."""
        side = await survey.look_at_source(
            self.source, self.source_ref, self.options, self.listen, self.cache.tells_case_apart
        )
        self._goal = update.Goal(side.revision, side.listing, {file.path for file in side.files})
        return side

    @asynccontextmanager
    async def model(self) -> AsyncGenerator[ModelDirectory, None]:
        """Hold the model's directory, created and locked; without a cache, one that is gone afterwards."""
        if not self.options.cache:
            async with self._passing() as model:
                yield model
            return
        model = self.cache.open(self.source_ref, directory=self.options.directory)
        self._model = self._kept = model
        with ExitStack() as stack:
            await self._hold(model, stack)
            yield model
            model.touch()

    async def _hold(self, model: ModelDirectory, stack: ExitStack) -> None:
        """Take the model's lock, waiting in small steps so that Ctrl-C is heard."""
        limit = self.options.wait
        deadline = None if limit is None else time.monotonic() + limit
        told = False
        while True:
            try:
                stack.enter_context(model.hold(wait=0))
            except LockedError as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if not told:
                    self.listen(Waiting(self.source_ref, error.message))
                told = True
                await asyncio.sleep(0.2)
            else:
                return

    @asynccontextmanager
    async def _passing(self) -> AsyncGenerator[ModelDirectory, None]:
        create_root(self.cache.root)
        with disk_errors(self.cache.root):
            place = Path(tempfile.mkdtemp(prefix=PASSING_PREFIX, dir=self.cache.root))
        try:
            self._model = ModelDirectory(place, self.source_ref)
            with self._model.hold(wait=0):
                yield self._model
        finally:
            await asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, place, True)

    @cached_property
    def existing(self) -> ModelDirectory | None:
        """The model's directory if the cache had one when this was first asked."""
        if self.options.directory is not None:
            exists = self.options.directory.is_dir()
            return self.cache.open(self.source_ref, directory=self.options.directory) if exists else None
        return self.cache.find(self.source_ref)

    @property
    def answering(self) -> remember.Question:
        """What the cache is asked when the hub is not."""
        found = [self.existing] if self.existing is not None else []
        if self.options.directory is None:
            found += self.cache.all_of(self.source_ref)
        return remember.Question(self.source_ref, found, self.options.include, self.options.exclude)

    def known(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what the cache holds verified, without reading any content."""
        model = self.existing if self.options.cache else None
        if model is None:
            return {}
        with model.disk_errors():
            return survey.known(model, files) | survey.known(update.staged(model), files)

    def adoptable(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what other caches of this machine claim to hold by name; nothing is read or linked."""
        found = adopt.find(files, self.source_ref, self.cache.roots)
        return {
            file.path: Digests(file.size or 0, file.sha256, file.git_sha1)
            for file in files
            if file.path in found and file.sha256
        }

    async def hold(self, files: Sequence[RepoFile], plan: Plan) -> dict[str, Digests]:
        """Look for the plan's files in the cache, then in other caches; read what has to be read."""
        assert self._model is not None  # noqa: S101 - called inside `model`
        needed = {step.file.path for step in plan.steps if step.fetches}
        loop = asyncio.get_running_loop()
        shared = await loop.run_in_executor(self._threads, self._begin) if self.options.cache else 0
        held = await self._each(self._model.lookup, files)
        absent = [file for file in files if file.path in needed and file.path not in held]
        if not self.options.cache:
            return held
        adopted = await self._adopt_all(absent) if absent else {}
        if shared or adopted:
            message = ngettext(
                "{count} file was already on this machine and is not fetched",
                "{count} files were already on this machine and are not fetched",
                shared + len(adopted),
            )
            self.listen(Note(message.format(count=shared + len(adopted))))
        return held | adopted

    def _begin(self) -> int:
        """Make the model's directory ready for the commit; return how many files its other revisions gave."""
        assert self._kept is not None  # noqa: S101 - called inside `model`
        assert self._goal is not None  # noqa: S101 - the source was looked at before
        self._model = work = update.begin(self._kept, self._goal)
        known, shared = work.manifest, 0
        if self.options.directory is not None or known is None or known.is_settled:
            return 0
        wanted = [file for file in self._goal.listing if file.path in self._goal.wanted]
        for other in self.cache.all_of(self.source_ref):
            if other.path != self._kept.path:
                with suppress(DiskError):  # another disk, or one without links: its files are adopted
                    shared += work.share(other, wanted)
        return shared

    async def _adopt_all(self, absent: Sequence[RepoFile]) -> dict[str, Digests]:
        """Take in what other caches of this machine have."""
        assert self._model is not None  # noqa: S101 - called inside `model`
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: adopt.find(absent, self.source_ref, self.cache.roots)
        )
        found = {path: place for path, place in found.items() if place != self._model.target(path)}
        return await self._each(
            lambda file: self._adopt(file, found[file.path]), [file for file in absent if file.path in found]
        )

    def _adopt(self, file: RepoFile, place: Path) -> Digests | None:
        assert self._model is not None  # noqa: S101 - called inside `model`
        return self._model.adopt(file, place)

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
        results = await asyncio.gather(*(loop.run_in_executor(self._threads, part, some) for some in parts))
        return {path: digests for result in results for path, digests in result.items()}

    def tools(self) -> Tools:
        """Return what moving bytes needs."""
        assert self._model is not None  # noqa: S101 - called inside `model`
        return Tools(
            source=self.source,
            doors=self.doors,
            destination=self.destination if self._has_destination else None,
            model=self._model,
            executor=self._threads,
            listen=self.listen,
            keep=self.options.cache,
            slots=self._slots,
        )

    @property
    def _slots(self) -> int:
        """Blobs on their way at once."""
        return min(SLOTS, self.options.jobs or SLOTS)

    def check_space(self, plan: Plan) -> None:
        """Refuse a run that cannot fit, before its first byte.

        Raises:
            DiskFullError: The disk has less free than what is yet to come.
        """
        assert self._model is not None  # noqa: S101 - called inside `model`
        if self.options.cache:
            needed = plan.fetch_bytes - self._landed(plan)
        else:
            sizes = sorted((step.file.size or 0 for step in plan.steps if step.fetches), reverse=True)
            needed = sum(sizes[: self._slots + 2])
        free = free_bytes(self._model.path)
        if needed <= 0 or needed + SPARE_BYTES <= free:
            return
        message = _("the disk of {path} has {free} free; {needed} more are needed")
        lacking = needed + SPARE_BYTES - free
        raise DiskFullError(
            message.format(path=self._model.path, free=readable_size(free), needed=readable_size(lacking)),
            side="cache",
            path=str(self._model.path),
            hint=ROOM,
        )

    def _landed(self, plan: Plan) -> int:
        """Count the bytes that an earlier run left in partial files."""
        assert self._model is not None  # noqa: S101 - called inside `model`
        directory = self._model.partial_directory
        with disk_errors(directory):
            names = {entry.name for entry in disk.scandir(directory)}
        landed = 0
        for step in plan.steps:
            size = step.file.size or 0
            path = partial_path(directory, step.file)
            if step.fetches and path.name in names:
                landed += size - sum(stop - start for start, stop in missing_ranges(path, size))
        return landed

    def small_content(self, step: Step) -> bytes:
        """Read a file that goes inside the commit, and make sure that it is still what was verified."""
        assert self._model is not None  # noqa: S101 - called inside `model`
        path = step.file.path
        with disk_errors(self._model.path):
            content = disk.read_bytes(self._model.target(path))
        hashes = Hashes(step.file, len(content))
        hashes.update(content)
        if not hashes.digests().fit(step.file):
            message = _("{path}: the cached file has changed since it was verified").format(path=path)
            raise IntegrityError(message, side="cache", path=path, hint="hubferry cache verify")
        return content

    def record(self, side: Side, digests: Mapping[str, Digests]) -> None:
        """Let the directory hold the new commit, if all that was asked for of it is here."""
        del side, digests  # what is here is written down as it comes
        if self.options.cache and self._kept is not None and self._model is not None:
            assert self._goal is not None  # noqa: S101 - the source was looked at before
            self._model = update.settle(self._kept, self._model, self._goal)

    def mark_published(self, plan: Plan, commit: str) -> None:
        """Write down that the destination holds what the directory does: all of one commit, and proven."""
        model = self._model
        known = model.manifest if model is not None else None
        if model is None or known is None or not self.options.cache:
            return
        if known.whole and known.commit == plan.source.commit:
            model.mark_published(plan.destination.ref, commit)

    def note_same(self, plan: Plan) -> None:
        """Write down, if the cache has the model, that it was used and is published. Nothing waits."""
        with suppress(HubferryError):  # in use by another run, or a disk that cannot be written
            self._kept = self._model = self.existing if self.options.cache else None
            if self._kept is not None and self._model is not None:
                with self._kept.hold(wait=0):
                    if self._goal is not None:
                        self._model = update.mend(self._kept, self._goal, fill=self.options.whole_cache)
                    self._model.touch()
                    self.mark_published(plan, plan.destination.commit)

    def message(self, plan: Plan) -> str:
        """Return the commit's message."""
        return self.options.message or f"Copy {survey.pinned(plan.source)} with hubferry"


def _parsed(text: str, access: Access, default_hub: HubName) -> RepoRef:
    """Read what was typed, which may be an address of the very server that is in use."""
    return refs.parse(
        text,
        default_hub=default_hub,
        hf_endpoint=access.endpoint or huggingface_endpoint(),
        ms_endpoint=access.endpoint or modelscope_endpoint(),
    )
