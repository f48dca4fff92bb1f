"""What a concurrency measures, to the byte and the second."""

import asyncio

import pytest

from hubferry.errors import BusyError
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream import concurrency as module
from hubferry.stream.concurrency import ConcurrencyLimit, ConcurrencyLimitedSource

REVISION = Revision(RepoRef("hf", "org/model"), "c1")


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


async def enter(concurrency, count):
    for _number in range(count):
        await concurrency.__aenter__()


def window(concurrency, clock, rate, *, seconds=1.0):
    clock.now += seconds
    concurrency.moved(int(rate * seconds))


async def test_a_rate_is_all_bytes_of_a_window_by_its_seconds(clock):
    concurrency = ConcurrencyLimit(most=8, start=4)
    concurrency.moved(300)
    clock.now += 0.5
    concurrency.moved(300)
    assert concurrency.rate == 0
    clock.now += 1.5
    concurrency.moved(400)
    assert concurrency.rate == 500
    clock.now += 2.0
    concurrency.moved(500)
    assert concurrency.rate == 250


async def test_a_window_ends_when_its_time_is_over(clock):
    concurrency = ConcurrencyLimit(most=8, start=4)
    clock.now += 0.59
    concurrency.moved(100)
    assert concurrency.rate == 0
    concurrency = ConcurrencyLimit(most=8, start=4)
    clock.now += module._WINDOW + 0.0001
    concurrency.moved(100)
    assert concurrency.rate > 0


async def test_after_growing_a_window_passes_before_it_is_judged(clock):
    concurrency = ConcurrencyLimit(most=32, start=16)
    await enter(concurrency, 16)
    window(concurrency, clock, 1000)
    window(concurrency, clock, 1000)
    assert concurrency.limit == 20
    await enter(concurrency, 4)
    window(concurrency, clock, 100)  # connections are opening: a bad window here says nothing
    assert concurrency.limit == 20
    window(concurrency, clock, 1125)  # exactly what a fourth more connections have to bring
    assert concurrency.limit == 25


async def test_a_limit_that_reached_its_most_settles_there(clock):
    concurrency = ConcurrencyLimit(most=9, start=8)
    await enter(concurrency, 8)
    window(concurrency, clock, 1000)
    window(concurrency, clock, 1000)
    assert concurrency.limit == 9  # a fourth more would be 10
    await enter(concurrency, 1)
    window(concurrency, clock, 2000)
    window(concurrency, clock, 2000)
    assert concurrency.limit == 9
    for _number in range(3):
        window(concurrency, clock, 10)  # settled: no judgement, however slow it gets
    assert concurrency.limit == 9


async def test_a_limit_looks_again_after_a_while_and_begins_with_a_window_to_settle(clock):
    concurrency = ConcurrencyLimit(most=32, start=4)
    await enter(concurrency, 4)
    window(concurrency, clock, 1000)
    window(concurrency, clock, 1000)
    await enter(concurrency, 1)
    window(concurrency, clock, 1000)
    window(concurrency, clock, 1000)
    assert concurrency.limit == 4
    settled = clock.now
    clock.now = settled + module._AGAIN - 1.0
    window(concurrency, clock, 1000)  # at the end of the pause, not after it
    window(concurrency, clock, 1000)  # looks again from here on
    window(concurrency, clock, 1000)  # to settle
    assert concurrency.limit == 4
    window(concurrency, clock, 1000)
    assert concurrency.limit == 5


@pytest.mark.parametrize(("limit", "left"), [(1, 1), (2, 1), (3, 1), (5, 2), (9, 4)])
async def test_a_busy_hub_gets_half_in_whole_connections_and_never_none(clock, limit, left):
    concurrency = ConcurrencyLimit(most=16, start=limit)
    concurrency.busy()
    assert concurrency.limit == left
    assert isinstance(concurrency.limit, int)


class Recorded:
    ignores_ranges = True

    def __init__(self):
        self.heard = []

    async def resolve(self, ref):
        self.heard.append(("resolve", ref))
        return REVISION

    async def files(self, revision):
        self.heard.append(("files", revision))
        return [RepoFile("f", 9)]

    async def read(self, revision, file, start, stop):
        self.heard.append(("read", revision, file, start, stop))
        yield b"abc"
        yield b"de"

    async def whole(self, revision, file):
        self.heard.append(("whole", revision, file))
        return b"fg"

    async def close(self):
        self.heard.append(("close",))


async def test_a_limited_source_passes_everything_on(clock):
    inner = Recorded()
    source = ConcurrencyLimitedSource(inner, concurrency := ConcurrencyLimit(4, 4))
    file = RepoFile("f", 9)
    assert source.ignores_ranges
    assert await source.resolve(REVISION.ref) == REVISION
    assert await source.files(REVISION) == [file]
    assert [piece async for piece in source.read(REVISION, file, 2, 7)] == [b"abc", b"de"]
    assert await source.whole(REVISION, file) == b"fg"
    await source.close()
    assert inner.heard == [
        ("resolve", REVISION.ref),
        ("files", REVISION),
        ("read", REVISION, file, 2, 7),
        ("whole", REVISION, file),
        ("close",),
    ]
    clock.now += 1.0
    concurrency.moved(0)
    assert concurrency.rate == 7


async def test_every_limit_of_a_source_is_narrowed_when_the_hub_is_busy(clock):
    class Busy(Recorded):
        async def read(self, revision, file, start, stop):
            yield b"x"
            raise BusyError("slow down")

        async def whole(self, revision, file):
            raise BusyError("slow down")

    limits = ConcurrencyLimit(8, 8), ConcurrencyLimit(8, 6)
    source = ConcurrencyLimitedSource(Busy(), *limits)
    with pytest.raises(BusyError):
        _ = [piece async for piece in source.read(REVISION, RepoFile("f", 9), 0, 9)]
    assert [concurrency.limit for concurrency in limits] == [4, 3]
    with pytest.raises(BusyError):
        await source.whole(REVISION, RepoFile("f", 9))
    assert [concurrency.limit for concurrency in limits] == [2, 1]


async def test_places_are_given_in_the_order_of_asking(clock):
    concurrency = ConcurrencyLimit(4, 1)
    await enter(concurrency, 1)
    came = []

    async def come(name):
        async with concurrency:
            came.append(name)

    waiting = [asyncio.create_task(come(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert came == []
    await concurrency.__aexit__(None, None, None)
    await asyncio.gather(*waiting)
    assert came == ["a", "b", "c"]
