"""Nights of a mirror by a clock that is turned, at hubs of which every twentieth answer is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web
from mirrored import World, entry, small_model
from servers import running_hub, sdk_environment

from hubferry.patience import Clock
from hubferry.serve import Seams
from hubferry.sync import run as running
from hubferry.sync.run import Asked
from hubferry.sync.spec import Schedule, Selection
from hubferry.sync.watch import Watch

DAY = 86_400.0
FAULTY = 0.05
CHANGED = 0.05
"""Of the repositories, between two nights."""


class Faults:
    """Spoil every twentieth answer, in one of the ways in which hubs do."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.made: Counter[str] = Counter()

    @web.middleware
    async def spoil(self, request, handler):
        if self._chance.random() >= FAULTY:
            return await handler(request)
        kind = self._chance.choice(("500", "503", "429", "cut"))
        self.made[kind] += 1
        if kind == "cut":
            request.transport.abort()
            raise web.HTTPInternalServerError
        headers = {"Retry-After": "0"} if kind == "429" else {}
        return web.Response(status=int(kind), text="a fault", headers=headers)


class Nights:
    """A clock that a watch sleeps by, and what happens between two nights."""

    def __init__(self, count: int, by_day) -> None:
        self.wall = 0.0
        self._count = count
        self._by_day = by_day
        self.watch: Watch | None = None
        self.over = 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.wall += 3600.0 if seconds == 30.0 else seconds  # nobody is there to see it wait

    def ended(self) -> None:
        self.over += 1
        if self.over >= self._count and self.watch is not None:
            self.watch.stop()
        else:
            self._by_day(self.over)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.wall, sleep=self.sleep, wall=lambda: self.wall)


@pytest.mark.parametrize(
    ("repositories", "nights"),
    [(30, 5), pytest.param(1000, 20, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])],
)
def test_every_night_converges_and_nothing_grows(repositories, nights, tmp_path, monkeypatch):
    faults = Faults(20261129)
    seams = Seams(middlewares=(faults.spoil,))
    chance = random.Random(7)
    with (
        running_hub(tmp_path / "source", seams=seams) as source,
        running_hub(tmp_path / "target", seams=seams) as target,
    ):
        environment = sdk_environment(tmp_path / "home", hf=source, ms=target)
        for name, value in (environment | {"HUBFERRY_RETRY_WAIT": "0.002"}).items():
            monkeypatch.setenv(name, value)
        world = World(tmp_path / "home", environment, source, target)
        names = [f"m{number:04}" for number in range(repositories)]

        def publish(name: str, night: int) -> None:
            extra = {"merges.txt": f"{night}".encode(), "vocab.json": b"{}"}
            world.publish(f"org/{name}", small_model(f"{name}-{night}", 2048) | extra)

        for name in names:
            publish(name, 0)
        changed: list[int] = []

        def by_day(night: int) -> None:
            chosen = chance.sample(names, max(1, int(len(names) * CHANGED)))
            changed.append(len(chosen))
            for name in chosen:
                publish(name, night)

        seen = _watched(world, Nights(nights, by_day), names)
    assert [Counter(one.status for one in summary.outcomes) for summary in seen.summaries] == [
        Counter(copied=repositories),
        *(Counter(copied=count, same=repositories - count) for count in changed),
    ]
    assert seen.kept == repositories * nights
    assert sum(faults.made.values()) > repositories * nights * 4 * FAULTY / 2
    assert len(set(seen.descriptors[1:])) == 1, seen.descriptors
    assert seen.objects[-1] <= seen.objects[1], seen.objects


class _Seen:
    def __init__(self) -> None:
        self.summaries = []
        self.descriptors: list[int] = []
        self.objects: list[int] = []
        self.kept = 0


def _watched(world: World, nights: Nights, names: list[str]) -> _Seen:
    """Let a watch run its nights; look at what the target holds after each."""
    seen = _Seen()
    owner = entry("hf:org/*", "ms:mirror/{name}", repos=Selection(), schedule=Schedule(cron="0 3 * * *"))
    file = world.file(owner, jobs=8)

    def keep(_outcome) -> None:
        seen.kept += 1

    async def work(read_file, entries):
        summary = await running.run(read_file, entries, Asked(keep=keep))
        assert not summary.failed, [one.error for one in summary.failed]
        for name in names:
            assert world.held(f"mirror/{name}") == world.original(f"org/{name}")
        seen.summaries.append(summary)
        await asyncio.sleep(0.05)  # the hub closes its ends of what we closed
        gc.collect()
        seen.descriptors.append(_descriptors())
        seen.objects.append(_own_objects())
        nights.ended()
        return summary

    watch = Watch(lambda: file, work, lambda _told: None, nights.clock)
    nights.watch = watch
    asyncio.run(watch.run())
    return seen


def _descriptors() -> int:
    """Count the files of this process that are no sockets: those are the hubs' as well."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += not str(link.readlink()).startswith("socket:")
    return count


def _own_objects() -> int:
    """Count the objects of our classes that are alive, less those of the hubs and of what the test keeps."""
    alive = Counter(type(one).__name__ for one in gc.get_objects() if _is_ours(type(one)))
    return sum(alive.values()) - alive["Outcome"] - alive["Job"] - alive["Summary"]


def _is_ours(kind: type) -> bool:
    module = kind.__module__ if isinstance(kind.__module__, str) else ""
    return module.startswith("hubferry.") and not module.startswith("hubferry.serve")
