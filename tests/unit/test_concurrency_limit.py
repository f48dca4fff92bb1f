import asyncio

import pytest

from hubferry.errors import BusyError
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream import concurrency as module
from hubferry.stream.concurrency import ConcurrencyLimit, ConcurrencyLimitedSource


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


async def test_no_more_than_the_limit_come_in_and_the_next_waits_its_turn(clock):
    concurrency = ConcurrencyLimit(most=8, start=2)
    await enter(concurrency, 2)
    third = asyncio.create_task(concurrency.__aenter__())
    await asyncio.sleep(0)
    assert not third.done()
    await leave(concurrency)
    await third


def window(concurrency, clock, rate):
    """Let one window pass in which `rate` bytes a second came."""
    clock.now += 1.0
    concurrency.moved(rate)


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


async def test_a_busy_hub_gets_half_the_connections_and_no_growth(clock):
    concurrency = ConcurrencyLimit(most=16, start=8)

    class Busy:
        async def read(self, revision, file, start, stop):
            yield b"x"
            raise BusyError("slow down")

    source = ConcurrencyLimitedSource(Busy(), concurrency)
    revision = Revision(RepoRef("hf", "a/b"), "1" * 40)
    with pytest.raises(BusyError):
        _ = [piece async for piece in source.read(revision, RepoFile("f", 9), 0, 9)]
    assert concurrency.limit == 4
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
