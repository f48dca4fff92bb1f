"""What a gate measures, to the byte and the second."""

import asyncio

import pytest

from hubferry.errors import BusyError
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream import gate as module
from hubferry.stream.gate import Gate, GatedSource

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


async def enter(gate, count):
    for _number in range(count):
        await gate.__aenter__()


def window(gate, clock, rate, *, seconds=1.0):
    clock.now += seconds
    gate.moved(int(rate * seconds))


async def test_a_rate_is_all_bytes_of_a_window_by_its_seconds(clock):
    gate = Gate(most=8, start=4)
    gate.moved(300)
    clock.now += 0.5
    gate.moved(300)
    assert gate.rate == 0
    clock.now += 1.5
    gate.moved(400)
    assert gate.rate == 500
    clock.now += 2.0
    gate.moved(500)
    assert gate.rate == 250


async def test_a_window_ends_when_its_time_is_over(clock):
    gate = Gate(most=8, start=4)
    clock.now += 0.59
    gate.moved(100)
    assert gate.rate == 0
    gate = Gate(most=8, start=4)
    clock.now += module._WINDOW + 0.0001
    gate.moved(100)
    assert gate.rate > 0


async def test_after_growing_a_window_passes_before_it_is_judged(clock):
    gate = Gate(most=32, start=16)
    await enter(gate, 16)
    window(gate, clock, 1000)
    window(gate, clock, 1000)
    assert gate.limit == 20
    await enter(gate, 4)
    window(gate, clock, 100)  # connections are opening: a bad window here says nothing
    assert gate.limit == 20
    window(gate, clock, 1125)  # exactly what a fourth more connections have to bring
    assert gate.limit == 25


async def test_a_gate_that_reached_its_most_settles_there(clock):
    gate = Gate(most=9, start=8)
    await enter(gate, 8)
    window(gate, clock, 1000)
    window(gate, clock, 1000)
    assert gate.limit == 9  # a fourth more would be 10
    await enter(gate, 1)
    window(gate, clock, 2000)
    window(gate, clock, 2000)
    assert gate.limit == 9
    for _number in range(3):
        window(gate, clock, 10)  # settled: no judgement, however slow it gets
    assert gate.limit == 9


async def test_a_gate_looks_again_after_a_while_and_begins_with_a_window_to_settle(clock):
    gate = Gate(most=32, start=4)
    await enter(gate, 4)
    window(gate, clock, 1000)
    window(gate, clock, 1000)
    await enter(gate, 1)
    window(gate, clock, 1000)
    window(gate, clock, 1000)
    assert gate.limit == 4
    settled = clock.now
    clock.now = settled + module._AGAIN - 1.0
    window(gate, clock, 1000)  # at the end of the pause, not after it
    window(gate, clock, 1000)  # looks again from here on
    window(gate, clock, 1000)  # to settle
    assert gate.limit == 4
    window(gate, clock, 1000)
    assert gate.limit == 5


@pytest.mark.parametrize(("limit", "left"), [(1, 1), (2, 1), (3, 1), (5, 2), (9, 4)])
async def test_a_busy_hub_gets_half_in_whole_connections_and_never_none(clock, limit, left):
    gate = Gate(most=16, start=limit)
    gate.busy()
    assert gate.limit == left
    assert isinstance(gate.limit, int)


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


async def test_a_gated_source_passes_everything_on(clock):
    inner = Recorded()
    source = GatedSource(inner, gate := Gate(4, 4))
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
    gate.moved(0)
    assert gate.rate == 7


async def test_every_gate_of_a_source_is_narrowed_when_the_hub_is_busy(clock):
    class Busy(Recorded):
        async def read(self, revision, file, start, stop):
            yield b"x"
            raise BusyError("slow down")

        async def whole(self, revision, file):
            raise BusyError("slow down")

    gates = Gate(8, 8), Gate(8, 6)
    source = GatedSource(Busy(), *gates)
    with pytest.raises(BusyError):
        _ = [piece async for piece in source.read(REVISION, RepoFile("f", 9), 0, 9)]
    assert [gate.limit for gate in gates] == [4, 3]
    with pytest.raises(BusyError):
        await source.whole(REVISION, RepoFile("f", 9))
    assert [gate.limit for gate in gates] == [2, 1]


async def test_places_are_given_in_the_order_of_asking(clock):
    gate = Gate(4, 1)
    await enter(gate, 1)
    came = []

    async def come(name):
        async with gate:
            came.append(name)

    waiting = [asyncio.create_task(come(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert came == []
    await gate.__aexit__(None, None, None)
    await asyncio.gather(*waiting)
    assert came == ["a", "b", "c"]
