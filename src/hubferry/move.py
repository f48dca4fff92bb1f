"""Carry out the part of a plan that moves bytes: fetch into the cache, and upload from it as it grows."""

from __future__ import annotations

import asyncio
import math
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import DiskError, HubferryError
from hubferry.model import Action, Blob
from hubferry.stream.arrivals import Failures
from hubferry.stream.download import Download
from hubferry.stream.schedule import MIB, Schedule
from hubferry.stream.twins import Twins
from hubferry.stream.upload import Upload
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor

    from hubferry.cache.store import ModelDirectory
    from hubferry.events import Listener
    from hubferry.hubs.ports import Destination, Source
    from hubferry.model import Digests, Plan, RepoFile, Step
    from hubferry.stream.download import ConnectionLimits

LEAD = 24 * MIB
"""Bytes that should be ahead of each upload: what its connection sends while a few parts are on their way."""
_KEPT_CONTENT = 32 * MIB
"""Bytes of small files of a folder that are kept from their proof to their commit."""
SLOTS = 12
"""Blobs on their way to the destination at once: as many connections as fill its link, no more."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What moving needs besides the plan.

    Attributes:
        source: Where bytes come from.
        connections: How many connections to it are open.
        destination: Where blobs go; None only fetches.
        model: The cache directory.
        executor: Threads for the disk and for hashing.
        listen: Hears what happens.
        keep: Whether payload stays in the cache after it was sent.
        slots: Most blobs on their way at once.
        keep_going: Whether what concerns one file only ends that file only.
        follows: Whether a file is sent while it arrives: not over one connection that both would need.
    """

    source: Source
    connections: ConnectionLimits
    destination: Destination | None
    model: ModelDirectory
    executor: Executor
    listen: Listener
    keep: bool = True
    slots: int = SLOTS
    keep_going: bool = False
    follows: bool = True


@dataclass(slots=True)
class Moved:
    """What came of it: digests of every file that is here and right, and an error for each that is not.

    `contents` has some of the small files that go inside a commit: they need not be read again.
    """

    digests: dict[str, Digests]
    failures: dict[str, HubferryError] = field(default_factory=dict)
    fetched: int = 0
    sent: int = 0
    contents: dict[str, bytes] = field(default_factory=dict)


async def move(plan: Plan, held: Mapping[str, Digests], tools: Tools) -> Moved:
    """Fetch what the plan lacks and send its blobs; commits are somebody else's.

    Raises:
        HubferryError: Something that concerns the whole run. What concerns one file is in `failures`.
    """
    return await _Move(plan, held, tools).run()


async def send(
    plan: Plan,
    held: Mapping[str, Digests],
    upload: Upload,
    content: Callable[[Step], bytes],
    *,
    keep_going: bool,
) -> Moved:
    """Send the blobs of a plan that fetches nothing, from where they are.

    `content` reads a small file that goes inside a commit, and proves it; those that fail are found here too,
    as long as there is memory to keep the others.

    Raises:
        HubferryError: As `move`.
    """
    moved, failures = Moved(dict(held)), Failures(keep_going=keep_going)

    async def one(path: str, work: Coroutine[None, None, bytes | None]) -> None:
        try:
            if (found := await work) is not None:
                moved.contents[path] = found
            failures.interrupt()
        except HubferryError as error:
            of_the_folder = isinstance(error, DiskError) and error.side != "destination"
            if not (of_the_folder or failures.concern_one_file(error)):
                raise
            moved.failures[path] = error

    small = list(_within(_KEPT_CONTENT, plan.of(Action.INLINE)))
    jobs = [one(step.file.path, asyncio.to_thread(content, step)) for step in small]
    senders = [(step.file, step.sha256) for step in _senders(plan) if step.sha256]
    jobs += [one(file.path, upload.send_cached(file, sha256)) for file, sha256 in senders]
    await run_all(*jobs)
    moved.sent = upload.sent
    return moved


def _within(room: int, steps: Iterable[Step]) -> Iterator[Step]:
    """Yield those of `steps` whose files have `room` bytes together at most."""
    for step in steps:
        room -= step.file.size or 0
        if room >= 0:
            yield step


def _senders(plan: Plan) -> list[Step]:
    """Blobs whose digest is known beforehand, largest first."""
    steps = [step for step in plan.of(Action.SEND, Action.FETCH_SEND) if step.sha256]
    return sorted(steps, key=lambda step: -(step.file.size or 0))


def give_up_together(plan: Plan, moved: Moved) -> None:
    """Let the files that share a blob fail with the one that was to bring it, each under its own name."""
    failed: dict[str, HubferryError] = {}
    sharing: list[tuple[str, str]] = []
    for step in plan.of(Action.SEND, Action.FETCH_SEND, Action.REUSE):
        known, path = moved.digests.get(step.file.path), step.file.path
        sha256 = known.sha256 if known else step.sha256
        if sha256 and path in moved.failures:
            failed[sha256] = moved.failures[path]
        elif sha256:
            sharing.append((path, sha256))
    moved.failures.update((path, _of(path, failed[sha256])) for path, sha256 in sharing if sha256 in failed)


def _of(path: str, error: HubferryError) -> HubferryError:
    """Return an error as that of another file, which has the same content."""
    error = copy(error)
    error.path = path
    return error


class _Move:
    def __init__(self, plan: Plan, held: Mapping[str, Digests], tools: Tools) -> None:
        self._plan = plan
        self._tools = tools
        self._moved = Moved(dict(held))
        schedule = Schedule(
            lead=LEAD if tools.destination is not None else math.inf,
            abreast=tools.slots,
            active=None if tools.keep else tools.slots + 2,
        )
        self._download = Download(
            tools.source,
            plan.source,
            tools.model,
            connections=tools.connections,
            schedule=schedule,
            executor=tools.executor,
            listen=tools.listen,
            keep=tools.keep,
            keep_going=tools.keep_going,
        )
        self._twins = Twins(tools.model, tools.executor)
        self._failures = Failures(keep_going=tools.keep_going)
        self._download.remember({step.file.path for step in plan.steps if step.fetches and not step.blob})
        self._upload = (
            Upload(
                tools.destination,
                plan.destination.ref,
                tools.model,
                slots=tools.slots,
                executor=tools.executor,
                listen=tools.listen,
            )
            if tools.destination is not None
            else None
        )

    async def run(self) -> Moved:
        leaders, twins = _by_content(self._plan.steps)
        led = {step.file.path for step, _leader in twins}
        self._download.add(step.file for step in leaders)
        jobs: list[Coroutine[None, None, None]] = [self._fetch()]
        jobs += [self._twin(step, leader) for step, leader in twins]
        if self._upload is not None:
            jobs += [self._send(step) for step in _senders(self._plan)]
            jobs.append(self._send_late(led))
        await run_all(*jobs)
        self._moved.fetched = self._download.fetched
        self._moved.contents = self._download.contents
        self._moved.sent = self._upload.sent if self._upload else 0
        return self._moved

    async def _fetch(self) -> None:
        await self._download.run()
        for path, outcome in self._download.outcomes():
            if isinstance(outcome, HubferryError):
                self._moved.failures[path] = outcome
            else:
                self._moved.digests[path] = outcome

    async def _twin(self, step: Step, leader: Step) -> None:
        """Give content that occurs twice its second name, by link."""
        try:
            digests: Digests | None = await self._download.arrived(leader.file.path)
        except HubferryError as error:
            self._give_up(step.file.path, error)
            return
        if digests is not None and not self._tools.keep and step.blob:
            self._moved.digests[step.file.path] = digests
            return
        digests = await self._twins.take_in(step.file, self._tools.model.target(leader.file.path))
        if digests is not None:
            self._moved.digests[step.file.path] = digests

    async def _send(self, step: Step) -> None:
        assert self._upload is not None  # noqa: S101 - `run` asks before it calls
        file, sha256 = step.file, step.sha256 or ""
        try:
            if not step.fetches:
                await self._upload.send_cached(file, sha256)
            elif self._tools.follows and self._download.streams(file.path):
                await self._upload.send_growing(file, sha256, self._download)
            else:
                await self._download.arrived(file.path)
                await self._upload.send_cached(file, sha256)
            await self._left(file)
        except HubferryError as error:
            self._give_up(file.path, error)
        else:
            self._failures.interrupt()

    async def _send_late(self, led: AbstractSet[str]) -> None:
        """Send blobs whose sha256 was not listed: fetched first, then asked for together.

        The files that are `led` have the content of one of the others.
        """
        late = [step for step in self._plan.of(Action.FETCH_SEND) if not step.sha256]
        steps = [step for step in late if step.file.path not in led]
        for step in steps:
            await self._settled(step.file.path)
            self._download.gone(step.file.path)  # nothing reads it while it grows, so it bars no other
        arrived = [step for step in steps if step.file.path in self._moved.digests]
        if not arrived or self._tools.destination is None:
            return
        names = {step.file.path: self._moved.digests[step.file.path] for step in arrived}
        blobs = {one.sha256: Blob(one.sha256, one.size, path) for path, one in names.items()}
        missing = set(await self._tools.destination.missing(self._plan.destination.ref, list(blobs.values())))
        wanting = {names[step.file.path].sha256: step.file for step in arrived}
        await run_all(*(self._send_one_late(file, sha) for sha, file in wanting.items() if sha in missing))

    async def _send_one_late(self, file: RepoFile, sha256: str) -> None:
        assert self._upload is not None  # noqa: S101 - `run` asks before it calls
        try:
            await self._upload.send_cached(file, sha256)
            await self._left(file)
        except HubferryError as error:
            self._give_up(file.path, error)
        else:
            self._failures.interrupt()

    async def _settled(self, path: str) -> None:
        try:
            self._moved.digests[path] = await self._download.arrived(path)
        except HubferryError as error:
            self._give_up(path, error)

    def _give_up(self, path: str, error: HubferryError) -> None:
        """Take down what ends one file only; raise what ends the run."""
        if not self._failures.concern_one_file(error):
            raise error
        self._moved.failures.setdefault(path, error if error.path == path else _of(path, error))

    async def _left(self, file: RepoFile) -> None:
        """Take a file that was sent off the disk, when nothing is to stay there."""
        if self._tools.keep:
            return
        if self._download.streams(file.path):
            await self._download.arrived(file.path)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._tools.executor, self._tools.model.remove_file, file.path)
        self._download.gone(file.path)


def _by_content(steps: Sequence[Step]) -> tuple[list[Step], list[tuple[Step, Step]]]:
    """Return the steps to fetch, one for each content, and the others that get the content of one of them."""
    first: dict[str, Step] = {}
    for step in steps:
        if step.fetches:
            first.setdefault(_content(step), step)
    twins = [
        (step, first[_content(step)])
        for step in steps
        if not step.cached and step.action is not Action.DELETE and _content(step) in first
    ]
    return list(first.values()), [(step, leader) for step, leader in twins if step is not leader]


def _content(step: Step) -> str:
    return step.file.sha256 or step.file.git_sha1 or step.file.path
