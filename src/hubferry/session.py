"""What one run holds open: both hubs behind their wrappers, the model's directory, the threads."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from hubferry import refs, remember, survey
from hubferry.cache import adopt, inventory, update
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import ROOM, disk, disk_errors
from hubferry.cache.names import PASSING_PREFIX
from hubferry.cache.partial import missing_ranges, partial_path
from hubferry.cache.roots import create_root, folder_records
from hubferry.cache.store import Cache, free_bytes
from hubferry.errors import DiskError, DiskFullError, HubferryError, LockedError, UsageError
from hubferry.events import Note, Waiting
from hubferry.hubs import FolderAccess, open_destination, open_source
from hubferry.hubs.credentials import huggingface_endpoint, modelscope_endpoint
from hubferry.i18n import _, ngettext
from hubferry.model import Digests
from hubferry.move import SLOTS, Tools, move, send
from hubferry.pace import PacedDestination, PacedSource
from hubferry.retry import Policy, RetryingDestination, RetryingSource
from hubferry.stream.gate import Gate, GatedSource
from hubferry.stream.growing import Hashes
from hubferry.stream.intake import Doors
from hubferry.stream.outlet import Outlet, changed
from hubferry.stream.schedule import SMALL
from hubferry.stream.standing import StandingFolder
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from hubferry.events import Listener
    from hubferry.hubs.ports import Destination, Source
    from hubferry.model import HubName, Plan, RepoFile, RepoRef, Step
    from hubferry.move import Moved
    from hubferry.options import Access, Options
    from hubferry.plan import Side

MOST_CONNECTIONS = 32
"""Connections for parts of large files at most; how many there are is the gate's decision."""
FIRST_CONNECTIONS = 16
SMALL_CONNECTIONS = 48
"""Connections for small files: 2,000 of them at 30 ms a request take 1.3 s."""
_NAMED = 5
"""Names in a sentence at most."""
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
        self.source_ref = reference(source, options.source, "hf")
        if destination is not None:
            self.destination_ref = survey.destination_ref(
                reference(destination, options.destination, "ms", new=True), self.source_ref
            )
        self._has_destination = destination is not None
        most = options.jobs or MOST_CONNECTIONS
        large = Gate(most, options.jobs or FIRST_CONNECTIONS)
        small = large if options.jobs else Gate(SMALL_CONNECTIONS, SMALL_CONNECTIONS)
        self.doors = Doors(large, small)
        self.cache = Cache(options.cache_root)
        self._kept: ModelDirectory | None = None
        self._model: ModelDirectory | None = None
        self._standing: StandingFolder | None = None
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
            self.source_ref,
            token=access.token,
            endpoint=access.endpoint,
            allow_insecure=access.insecure,
            folder=self._folder_access(),
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
                listen=self.listen,
                wait=options.wait,
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

    def _folder_access(self) -> FolderAccess | None:
        if self.source_ref.hub != "dir":
            return None
        return FolderAccess(self.options.allow, folder_records(self.cache.root), self.listen)

    async def look_at_source(self) -> Side:
        """List the source; see `survey.look_at_source`. A folder that is published is not brought here."""
        in_place = self.source_ref.hub == "dir" and self._has_destination
        apart = (lambda: True) if in_place else self.cache.tells_case_apart
        side = await survey.look_at_source(self.source, self.source_ref, self.options, self.listen, apart)
        self._goal = update.Goal(side.revision, side.listing, {file.path for file in side.files})
        if in_place:
            self._standing = StandingFolder(side.revision.ref, side.files)
        return side

    async def guard(self, side: Side) -> Side:
        """Look for weights that are none in the listing of a hub; see `survey.guard`."""
        if self.source_ref.hub == "dir":
            return side
        return await survey.guard(self.source, side, self.options, refuse=self._has_destination)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None, None]:
        """Hold what is sent from: the model's directory, or nothing where a folder is sent as it stands."""
        if self._standing is not None:
            yield
            return
        async with self.model():
            yield

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
            found += [one for one in self.cache.all_of(self.source_ref) if one.path not in _paths(found)]
        return remember.Question(self.source_ref, found, self.options.include, self.options.exclude)

    def known(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what the cache holds verified, without reading any content; of a folder, everything."""
        if self._standing is not None:
            return self._standing.known()
        model = self.existing if self.options.cache else None
        if model is None:
            return {}
        with model.disk_errors():
            return survey.known(model, files) | survey.known(update.staged(model), files)

    def adoptable(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what other caches of this machine claim to hold by name; nothing is read or linked."""
        if self._standing is not None:
            return {}
        found = adopt.find(files, self.source_ref, self.cache.roots)
        return {
            file.path: Digests(file.size or 0, file.sha256, file.git_sha1)
            for file in files
            if file.path in found and file.sha256
        }

    async def hold(self, files: Sequence[RepoFile], plan: Plan) -> dict[str, Digests]:
        """Look for the plan's files in the cache, then in other caches; read what has to be read."""
        if self._standing is not None:
            return self._standing.known()
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
            keep_going=self.options.keep_going,
        )

    async def move(self, plan: Plan, held: Mapping[str, Digests]) -> Moved:
        """Move the plan's bytes; see `move.move`. Those of a folder are sent from where they are."""
        if self._standing is None:
            return await move(plan, held, self.tools())
        outlet = Outlet(
            self.destination,
            plan.destination.ref,
            self._standing,
            slots=self._slots,
            executor=self._threads,
            listen=self.listen,
        )

        def content(step: Step) -> bytes:
            adapted = plan.adapted.get(step.file.path)
            return self.small_content(step) if adapted is None else adapted

        return await send(plan, held, outlet, content, keep_going=self.options.keep_going)

    @property
    def _slots(self) -> int:
        """Blobs on their way at once."""
        return min(SLOTS, self.options.jobs or SLOTS)

    def check_space(self, plan: Plan) -> None:
        """Refuse a run that cannot fit, before its first byte.

        Raises:
            DiskFullError: The disk has less free than what is yet to come.
        """
        if self._standing is not None:
            return
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
        place = self._standing or self._model
        assert place is not None  # noqa: S101 - called inside `place`
        with place.disk_errors():
            content = disk.read_bytes(place.target(step.file.path))
        hashes = Hashes(step.file, len(content))
        hashes.update(content)
        if not hashes.digests().fit(step.file):
            raise changed(step.file, place)
        return content

    def record(self, side: Side, digests: Mapping[str, Digests]) -> None:
        """Let the directory hold the new commit, if all that was asked for of it is here."""
        del side, digests  # what is here is written down as it comes
        if self.options.cache and self._kept is not None and self._model is not None:
            assert self._goal is not None  # noqa: S101 - the source was looked at before
            self._model = update.settle(self._kept, self._model, self._goal)

    def name_strangers(self) -> None:
        """Say which files of the directory are not of the commit: they were put there, and stay."""
        model = self._kept
        if model is None or model.manifest is None:
            return
        with model.disk_errors():
            files = model.manifest.files
            there = inventory.take(model.path).files
            strange = sorted(path for path in there if path not in files or not files[path].here)
        if strange:
            names = _(", ").join(strange[:_NAMED]) + (" …" if len(strange) > _NAMED else "")
            message = ngettext(
                "{count} file in {path} is not of this commit, and stays: {names}",
                "{count} files in {path} are not of this commit, and stay: {names}",
                len(strange),
            )
            self.listen(Note(message.format(count=len(strange), path=model.path, names=names)))

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
        if self._standing is not None:
            return
        with suppress(HubferryError):  # in use by another run, or a disk that cannot be written
            self._kept = self._model = self.existing if self.options.cache else None
            if self._kept is not None and self._model is not None:
                with self._kept.hold(wait=0):
                    self._mend(self._kept)
                    self._model.touch()
                    self.mark_published(plan, plan.destination.commit)

    def _mend(self, model: ModelDirectory) -> None:
        """Make a directory that has the commit, and something of others besides, hold that commit alone."""
        known, goal = model.manifest, self._goal
        if known is None or goal is None:
            return
        same = known.commit == goal.revision.commit
        if (same and known.stale) or (not same and self.options.whole_cache):
            self._model = update.settle(model, update.begin(model, goal), goal)

    def message(self, plan: Plan) -> str:
        """Return the commit's message."""
        return self.options.message or f"Copy {survey.pinned(plan.source)} with hubferry"


def _paths(models: Sequence[ModelDirectory]) -> list[Path]:
    return [model.path for model in models]


def reference(text: str, access: Access, default_hub: HubName, *, new: bool = False) -> RepoRef:
    """Read what a person typed, which may be an address of the very server that is in use.

    Args:
        text: See `refs.parse`.
        access: How that side is reached.
        default_hub: The hub of a bare name.
        new: Whether it may name what is yet to be made: a folder in one that is here is a reading as well.

    Raises:
        UsageError: Nothing right, or a bare name that a folder has too: nobody guesses which one is meant.
    """
    word = text.strip()
    if refs.is_bare(word) and _is_here(word, new=new):
        raise refs.ambiguous(word, default_hub)
    ref = refs.parse(
        text,
        default_hub=default_hub,
        hf_endpoint=access.endpoint or huggingface_endpoint(),
        ms_endpoint=access.endpoint or modelscope_endpoint(),
    )
    if ref.hub == "dir":
        _refuse_impossible(ref)
    return ref


def _is_here(word: str, *, new: bool) -> bool:
    parts = Path(word).parts
    return os.path.isdir(word) or (new and len(parts) > 1 and os.path.isdir(parts[0]))  # noqa: PTH112 - no error


def _refuse_impossible(ref: RepoRef) -> None:
    """Refuse a folder that this system has no name for."""
    path = ref.repo_id
    try:
        Path(path).expanduser()
    except RuntimeError as error:
        message = _("{path} begins with the home of an account that is not known here").format(path=path)
        raise UsageError(
            message, hint=_("write the whole path, or ./{path} for a folder here").format(path=path)
        ) from error
    if "\0" in path:
        raise UsageError(_("{path} cannot be a folder").format(path=ascii(path)))
    if os.name != "nt" and PureWindowsPath(path).drive:
        message = _("{path} is a folder as Windows writes it, and this is another system").format(path=path)
        raise UsageError(message, hint=_("write /folder, ~/folder or ./folder"))
