"""A page that waits: it hears of what changed, and costs nothing while nothing does."""

from __future__ import annotations

import asyncio
import os

import pytest

from hubferry.soft_lock import this_process
from hubferry.transfers import desk
from hubferry.transfers.values import Transfer
from hubferry.ui import live
from hubferry.ui.treemap import squarify


@pytest.fixture
def folder(home, monkeypatch):
    monkeypatch.setattr(live, "_SECONDS", 0.01)
    monkeypatch.setattr(live, "_IDLE_SECONDS", 0.01)
    return desk.place()


def transfer(name, **words):
    return Transfer(name, "hubferry copy", this_process(), os.getpid(), 1.0, 2.0, **words)


async def looks(source, count, monkeypatch):
    """Let a source look `count` times; return the events of that."""
    slept = 0
    heard: list[object] = []

    async def sleep(_seconds):
        nonlocal slept
        slept += 1
        if slept > count:
            raise asyncio.CancelledError

    monkeypatch.setattr(live.asyncio, "sleep", sleep)

    async def listen():
        async for event in source:
            heard.append(event)  # noqa: PERF401 - it ends by an error, and what came before counts

    with pytest.raises(asyncio.CancelledError):
        await listen()
    return heard


async def test_an_idle_page_hears_nothing_and_no_folder_is_read_for_it(folder, monkeypatch):
    shown = live.mark(desk.Watched(folder), ())
    read = []
    honest = os.scandir
    monkeypatch.setattr(os, "scandir", lambda *place: read.append(place) or honest(*place))
    assert await looks(live.changes(folder, lambda: (), shown)(None), 50, monkeypatch) == []
    assert len(read) <= 1


async def test_what_changed_between_a_page_and_its_stream_is_heard_of_at_once(folder, monkeypatch):
    shown = live.mark(desk.Watched(folder), ())
    place = desk.Desk(folder)
    try:
        place.say(transfer(place.id))
        (event,) = await looks(live.changes(folder, lambda: (), shown)(None), 0, monkeypatch)
        assert event.id
    finally:
        place.leave(transfer(place.id, state="done", ended=3.0))


async def test_a_reader_that_comes_back_hears_only_of_what_it_has_not_seen(folder, monkeypatch):
    last = live.mark(desk.Watched(folder), (1,))
    assert await looks(live.changes(folder, lambda: (1,), "")(last), 5, monkeypatch) == []
    assert len(await looks(live.changes(folder, lambda: (2,), "")(last), 5, monkeypatch)) == 1


async def test_a_transfer_that_says_nothing_any_more_is_looked_into(folder, monkeypatch):
    """Killed, it leaves what it said last: only whoever asks finds out."""
    place = desk.Desk(folder)
    place.say(transfer(place.id))
    shown = live.mark(desk.Watched(folder), ())
    try:
        heard = await looks(live.changes(folder, lambda: (), shown)(None), 12, monkeypatch)
        assert len(heard) == 2
    finally:
        place.leave(transfer(place.id, state="done", ended=3.0))


async def test_no_more_than_the_last_fifty_are_kept(folder):
    for number in range(desk.KEPT + 5):
        place = desk.Desk(folder)
        place.leave(transfer(place.id, state="done", ended=float(number + 1)))
    kept = desk.look(folder).finished
    assert [one.ended for one in kept] == [float(number) for number in range(desk.KEPT + 5, 5, -1)]
    assert len(list((folder / "finished").iterdir())) == desk.KEPT


async def test_one_whose_number_another_process_has_now_is_known_for_gone(folder):
    place = desk.Desk(folder)
    words = this_process().split()
    place.say(Transfer(place.id, "hubferry copy", "\n".join([*words[:2], "1"]), os.getpid(), 1.0, 2.0))
    board = desk.look(folder)
    assert board.running == ()
    assert [one.state for one in board.finished] == ["broken-off"]


async def test_one_of_another_container_is_alive_as_long_as_it_holds_its_lock(folder):
    place = desk.Desk(folder)
    said = Transfer(place.id, "hubferry copy", "1\nelsewhere/0.1/00\n", 1, 1.0, 2.0)
    place.say(said)
    assert desk.look(folder).running == (said,)
    place._lock.release()
    assert [one.state for one in desk.look(folder).finished] == ["broken-off"]


@pytest.mark.parametrize("amounts", [[5.0], [6, 6, 4, 3, 2, 2, 1], [1000, 1, 1, 1], [1] * 50], ids=str)
def test_the_tiles_of_a_map_fill_it_and_are_as_large_as_what_they_stand_for(amounts):
    tiles = squarify(amounts, 600, 400)
    scale = 600 * 400 / sum(amounts)
    for tile, amount in zip(tiles, amounts, strict=True):
        assert tile.width * tile.height == pytest.approx(amount * scale)
        assert -1e-6 <= tile.x <= tile.x + tile.width <= 600 + 1e-6
        assert -1e-6 <= tile.y <= tile.y + tile.height <= 400 + 1e-6
    for at, one in enumerate(tiles):
        for other in tiles[:at]:
            apart = (
                one.x + one.width <= other.x + 1e-6 or other.x + other.width <= one.x + 1e-6
                or one.y + one.height <= other.y + 1e-6 or other.y + other.height <= one.y + 1e-6
            )  # fmt: skip
            assert apart
