import asyncio

import pytest

from hubferry.errors import BusyError
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream import gate as module
from hubferry.stream.gate import Gate, GatedSource


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


async def enter(gate, count):
    for _ in range(count):
        await gate.__aenter__()


async def leave(gate):
    await gate.__aexit__(None, None, None)


async def test_no_more_than_the_limit_come_in_and_the_next_waits_its_turn(clock):
    gate = Gate(most=8, start=2)
    await enter(gate, 2)
    third = asyncio.create_task(gate.__aenter__())
    await asyncio.sleep(0)
    assert not third.done()
    await leave(gate)
    await third


def window(gate, clock, rate):
    """Let one window pass in which `rate` bytes a second came."""
    clock.now += 1.0
    gate.moved(rate)


async def test_connections_grow_by_a_fourth_while_the_rate_grows_with_them(clock):
    gate = Gate(most=32, start=16)
    await enter(gate, 16)
    window(gate, clock, 500)  # the first is never judged: connections are only just opening
    assert gate.limit == 16
    window(gate, clock, 1000)
    assert gate.limit == 20
    await enter(gate, 4)
    window(gate, clock, 1100)
    window(gate, clock, 1250)
    assert gate.limit == 25


async def test_a_few_connections_grow_by_one(clock):
    gate = Gate(most=4, start=1)
    await enter(gate, 1)
    window(gate, clock, 100)
    window(gate, clock, 100)
    assert gate.limit == 2
    await enter(gate, 1)
    window(gate, clock, 150)
    window(gate, clock, 149)  # twice the connections have to bring half as much again
    assert gate.limit == 1


async def test_connections_that_bring_nothing_are_taken_back_and_not_tried_again_at_once(clock):
    gate = Gate(most=32, start=4)
    await enter(gate, 4)
    window(gate, clock, 1000)
    window(gate, clock, 1000)
    await enter(gate, 1)
    window(gate, clock, 1100)
    window(gate, clock, 1124)
    assert gate.limit == 4
    window(gate, clock, 9000)
    window(gate, clock, 9000)
    assert gate.limit == 4
    clock.now += 40
    for _number in range(3):
        window(gate, clock, 9000)
    assert gate.limit == 5


async def test_connections_that_are_not_used_do_not_grow(clock):
    gate = Gate(most=16, start=4)
    await enter(gate, 1)
    for _number in range(4):
        window(gate, clock, 1000)
    assert gate.limit == 4


async def test_a_fixed_number_of_connections_stays(clock):
    gate = Gate(most=4, start=4)
    await enter(gate, 4)
    for rate in (1000, 2000, 4000):
        window(gate, clock, rate)
    assert gate.limit == 4


async def test_a_part_takes_about_half_a_second_of_a_connection(clock):
    gate = Gate(most=4, start=4)
    assert gate.part_size(1, 100) == 1
    await enter(gate, 4)
    window(gate, clock, 160)
    assert gate.part_size(1, 100) == 20
    assert gate.part_size(40, 100) == 40
    assert gate.part_size(1, 15) == 15


async def test_a_fast_link_gets_larger_parts_before_the_first_window_is_over(clock):
    gate = Gate(most=4, start=4)
    await enter(gate, 4)
    gate.moved(40)
    clock.now += 0.05
    assert gate.part_size(1, 100) == 1
    clock.now += 0.05
    assert gate.part_size(1, 100) == 50
    assert gate.rate == 0.0


async def test_a_busy_hub_gets_half_the_connections_and_no_growth(clock):
    gate = Gate(most=16, start=8)

    class Busy:
        async def read(self, revision, file, start, stop):
            yield b"x"
            raise BusyError("slow down")

    source = GatedSource(Busy(), gate)
    revision = Revision(RepoRef("hf", "a/b"), "1" * 40)
    with pytest.raises(BusyError):
        _ = [piece async for piece in source.read(revision, RepoFile("f", 9), 0, 9)]
    assert gate.limit == 4
    await enter(gate, 4)
    for _number in range(4):
        window(gate, clock, 10**9)
    assert gate.limit == 4


async def test_somebody_who_stopped_waiting_does_not_take_the_place(clock):
    gate = Gate(most=4, start=1)
    await enter(gate, 1)
    first = asyncio.create_task(gate.__aenter__())
    second = asyncio.create_task(gate.__aenter__())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    await leave(gate)
    await asyncio.wait_for(second, 1)
    assert not gate._waiters
