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


async def test_connections_grow_while_the_rate_grows_and_stop_when_it_does_not(clock):
    gate = Gate(most=16, start=4)
    await enter(gate, 4)
    clock.now = 1.0
    gate.moved(1000)
    assert gate.limit == 6
    await enter(gate, 2)
    clock.now = 2.0
    gate.moved(1010)
    assert gate.limit == 6


async def test_connections_that_are_not_used_do_not_grow(clock):
    gate = Gate(most=16, start=4)
    await enter(gate, 1)
    clock.now = 1.0
    gate.moved(1000)
    assert gate.limit == 4


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
    clock.now = 5.0
    gate.moved(10**9)
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
