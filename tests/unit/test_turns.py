"""Uploads take turns: as many at once as is decided, and one that is put back waits and begins anew."""

from __future__ import annotations

import asyncio

import pytest

from hubferry.errors import NetworkError
from hubferry.stream.turns import Turns

MB = 10**6


class Line:
    """A link of 1 MB/s unless told, on which time passes with what is sent; all that is sent is noted."""

    def __init__(self):
        self.moved = 0
        self.rate = MB
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.open = self.most = 0

    def now(self):
        return self.moved / self.rate

    def send(self, name, size, piece=MB):
        async def send(turn):
            self.begun.append(name)
            self.open += 1
            self.most = max(self.most, self.open)
            try:
                for position in range(piece, size + 1, piece):
                    await asyncio.sleep(0)
                    self.moved += piece
                    turn.moved(position, piece)
            finally:
                self.open -= 1
            self.ended.append(name)

        return send


@pytest.fixture
def line():
    return Line()


async def test_on_a_thin_link_few_go_at_once_and_all_are_sent(line):
    turns, names = Turns(12, line.now), [f"{n:02}" for n in range(12)]
    await asyncio.gather(*(turns.take(100 * MB, line.send(name, 100 * MB)) for name in names))
    assert sorted(line.ended) == names
    again = len(line.begun) - 12
    assert 6 <= again <= 16  # those that were put back begin once more
    assert line.moved <= 12 * 100 * MB * 1.05
    assert line.open == 0


async def test_small_ones_are_never_put_back(line):
    turns = Turns(12, line.now)
    size, line.rate = 3 * MB, MB // 4  # twelve of them take two minutes
    await asyncio.gather(*(turns.take(size, line.send(str(n), size, MB // 100)) for n in range(200)))
    assert len(line.begun) == len(line.ended) == 200
    assert line.most == 12


async def test_no_more_go_than_the_most_and_who_ends_lets_the_next_in(line):
    turns = Turns(3, line.now)
    await asyncio.gather(*(turns.take(MB, line.send(str(n), MB)) for n in range(20)))
    assert line.most == 3
    assert line.begun == [str(n) for n in range(20)]


async def test_a_failure_comes_out_and_lets_the_next_in(line):
    async def fails(_turn):
        raise NetworkError("broken off")

    turns = Turns(1, line.now)
    for size in (1, 100 * MB):
        with pytest.raises(NetworkError):
            await turns.take(size, fails)
    await turns.take(MB, line.send("next", MB))
    assert line.ended == ["next"]


@pytest.mark.parametrize("size", [1, 100 * MB])
async def test_who_is_cancelled_has_ended_before_it_is_said(line, size):
    ended = []

    async def lingers(_turn):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    turns = Turns(1, line.now)
    task = asyncio.create_task(turns.take(size, lingers))
    waiting = asyncio.create_task(turns.take(MB, line.send("waiting", MB)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]
    await waiting


async def test_who_goes_away_while_it_waits_takes_nobodys_place(line):
    gate = asyncio.Event()

    async def holds(_turn):
        await gate.wait()
        gone[0].cancel()
        asyncio.get_running_loop().call_soon(gone[1].cancel)  # after its turn has come, before it knows

    turns = Turns(1, line.now)
    holding = asyncio.create_task(turns.take(MB, holds))
    await asyncio.sleep(0)
    gone = [asyncio.create_task(turns.take(MB, line.send("gone", MB))) for _number in range(3)]
    stays = asyncio.create_task(turns.take(MB, line.send("stays", MB)))
    await asyncio.sleep(0)
    gate.set()
    await holding
    gone[2].cancel()
    await stays
    await asyncio.gather(*gone, return_exceptions=True)
    await turns.take(MB, line.send("last", MB))
    assert line.ended[-2:] == ["stays", "last"]
    assert line.open == 0
