"""How many connections are open: what is measured, to the byte and the second, and who is let in."""

import asyncio

import pytest

from hubferry.errors import BusyError
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream import concurrency as module
from hubferry.stream.concurrency import ConcurrencyLimit, ConcurrencyLimitedSource

REVISION = Revision(RepoRef("hf", "org/model"), "c1")


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


async def enter(concurrency, count):
    for _ in range(count):
        await concurrency.__aenter__()


async def leave(concurrency):
    await concurrency.__aexit__(None, None, None)


def window(concurrency, clock, rate):
    """Let one window pass in which `rate` bytes a second came."""
    clock.now += 1.0
    concurrency.moved(rate)


async def test_no_more_than_the_limit_come_in_and_the_next_waits_its_turn(clock):
    concurrency = ConcurrencyLimit(most=8, start=2)
    await enter(concurrency, 2)
    third = asyncio.create_task(concurrency.__aenter__())
    await asyncio.sleep(0)
    assert not third.done()
    await leave(concurrency)
    await third


async def test_connections_grow_by_a_fourth_while_the_rate_grows_with_them(clock):
    concurrency = ConcurrencyLimit(most=32, start=16)
    await enter(concurrency, 16)
    window(concurrency, clock, 500)  # the first is never judged: connections are only just opening
    assert concurrency.limit == 16
    window(concurrency, clock, 1000)
    assert concurrency.limit == 20
    await enter(concurrency, 4)
    window(concurrency, clock, 1100)
    window(concurrency, clock, 1250)
    assert concurrency.limit == 25


async def test_a_few_connections_grow_by_one(clock):
    concurrency = ConcurrencyLimit(most=4, start=1)
    await enter(concurrency, 1)
    window(concurrency, clock, 100)
    window(concurrency, clock, 100)
    assert concurrency.limit == 2
    await enter(concurrency, 1)
    window(concurrency, clock, 150)
    window(concurrency, clock, 149)  # twice the connections have to bring half as much again
    assert concurrency.limit == 1


async def test_connections_that_bring_nothing_are_taken_back_and_not_tried_again_at_once(clock):
    concurrency = ConcurrencyLimit(most=32, start=4)
    await enter(concurrency, 4)
    window(concurrency, clock, 1000)
    window(concurrency, clock, 1000)
    await enter(concurrency, 1)
    window(concurrency, clock, 1100)
    window(concurrency, clock, 1124)
    assert concurrency.limit == 4
    window(concurrency, clock, 9000)
    window(concurrency, clock, 9000)
    assert concurrency.limit == 4
    clock.now += 40
    for _number in range(3):
        window(concurrency, clock, 9000)
    assert concurrency.limit == 5


async def test_connections_that_are_not_used_do_not_grow(clock):
    concurrency = ConcurrencyLimit(most=16, start=4)
    await enter(concurrency, 1)
    for _number in range(4):
        window(concurrency, clock, 1000)
    assert concurrency.limit == 4


async def test_a_fixed_number_of_connections_stays(clock):
    concurrency = ConcurrencyLimit(most=4, start=4)
    await enter(concurrency, 4)
    for rate in (1000, 2000, 4000):
        window(concurrency, clock, rate)
    assert concurrency.limit == 4


async def test_a_part_takes_about_half_a_second_of_a_connection(clock):
    concurrency = ConcurrencyLimit(most=4, start=4)
    assert concurrency.part_size(1, 100) == 1
    await enter(concurrency, 4)
    window(concurrency, clock, 160)
    assert concurrency.part_size(1, 100) == 20
    assert concurrency.part_size(40, 100) == 40
    assert concurrency.part_size(1, 15) == 15


async def test_a_fast_link_gets_larger_parts_before_the_first_window_is_over(clock):
    concurrency = ConcurrencyLimit(most=4, start=4)
    await enter(concurrency, 4)
    concurrency.moved(40)
    clock.now += 0.05
    assert concurrency.part_size(1, 100) == 1
    clock.now += 0.05
    assert concurrency.part_size(1, 100) == 50
    assert concurrency.rate == 0.0


async def test_after_a_busy_hub_connections_do_not_grow_again(clock):
    concurrency = ConcurrencyLimit(most=16, start=8)
    concurrency.busy()
    await enter(concurrency, 4)
    for _number in range(4):
        window(concurrency, clock, 10**9)
    assert concurrency.limit == 4


async def test_somebody_who_stopped_waiting_does_not_take_the_place(clock):
    concurrency = ConcurrencyLimit(most=4, start=1)
    await enter(concurrency, 1)
    first = asyncio.create_task(concurrency.__aenter__())
    second = asyncio.create_task(concurrency.__aenter__())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    await leave(concurrency)
    await asyncio.wait_for(second, 1)
    assert not concurrency._waiters


async def test_a_place_that_is_offered_to_somebody_who_goes_away_just_then_goes_to_the_next(clock):
    concurrency = ConcurrencyLimit(most=4, start=1)
    await enter(concurrency, 1)
    first = asyncio.create_task(concurrency.__aenter__())
    second = asyncio.create_task(concurrency.__aenter__())
    await asyncio.sleep(0)
    await leave(concurrency)
    first.cancel()
    await asyncio.wait_for(second, 1)


async def test_each_place_that_is_given_back_lets_one_in():
    concurrency = ConcurrencyLimit(4, 2)
    for _number in range(2):
        await concurrency.__aenter__()
    waiting = [asyncio.create_task(concurrency.__aenter__()) for _number in range(4)]
    for came in (1, 2):
        await asyncio.sleep(0)
        await leave(concurrency)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(task.done() for task in waiting) == came
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_places_that_are_opened_at_once_are_all_taken():
    concurrency = ConcurrencyLimit(4, 1)
    await concurrency.__aenter__()
    waiting = [asyncio.create_task(concurrency.__aenter__()) for _number in range(5)]
    await asyncio.sleep(0)
    concurrency.limit = 4
    concurrency._wake()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sum(task.done() for task in waiting) == 3
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def test_a_part_is_as_large_as_one_connection_moves_in_its_time():
    concurrency = ConcurrencyLimit(4, 4)
    concurrency.rate = 4000.0
    assert concurrency.part_size(1, 10_000) == 2000  # nobody is in: it is one connection's
    concurrency._open = 1
    assert concurrency.part_size(1, 10_000) == 2000
    concurrency._open = 2
    assert concurrency.part_size(1, 10_000) == 1000


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
    await leave(concurrency)
    await asyncio.gather(*waiting)
    assert came == ["a", "b", "c"]
