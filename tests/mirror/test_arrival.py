"""One large file on its way into a mirror's cache, from a hub that is played here: who is told what."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hubferry.cache.partial import CHUNK, PartialFile
from hubferry.errors import HubferryError, IntegrityError
from hubferry.mirror.arrival import Arrival, Means
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream.growing import GrowingFile

CONTENT = random.Random("arrival 1").randbytes(12 * CHUNK)
FILE = RepoFile("w.safetensors", len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), lfs=True)
REVISION = Revision(RepoRef("hf", "org/model"), "0" * 40)


class Hub:
    """Gives a file's content."""

    ignores_ranges = False

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content

    async def read(self, _revision, _file, start, stop):
        yield self.content[start:stop]


@pytest.fixture
def wrong():
    """Who was told to have had wrong bytes, each time."""
    return []


@pytest.fixture
def begin(tmp_path, wrong):
    """Begin to fetch the file; what is there already stays."""
    with ThreadPoolExecutor(4) as threads:

        def begin() -> Arrival:
            means = Means(threads, asyncio.Semaphore(8), lambda _count: None, wrong.append)
            return Arrival(REVISION, FILE, (tmp_path / "w.part", tmp_path / "w"), means)

        yield begin


async def read_all(arrival: Arrival, hub: Hub) -> bytes:
    with arrival.reading(range(FILE.size), hub, "10.0.0.1", whole=True) as reading:
        got = b""
        while len(got) < FILE.size:
            there = await reading.beyond(len(got))
            got += arrival.partial.read(len(got), there - len(got))
        return got


async def test_a_file_stays_open_until_the_last_thread_has_written_to_it(begin, monkeypatch):
    """Else its descriptor might be another file's by then."""
    writing, go_on, open_still = threading.Event(), threading.Event(), []
    write = PartialFile.write

    def slow(partial, offset, pieces):
        writing.set()
        assert go_on.wait(20)
        open_still.append(partial._data >= 0)
        return write(partial, offset, pieces)

    monkeypatch.setattr(PartialFile, "write", slow)
    arrival = begin()
    with arrival.reading(range(FILE.size), Hub(), "10.0.0.1", whole=True):
        fetching = asyncio.ensure_future(arrival.run())
        fetching.add_done_callback(lambda _task: arrival.close())
        await asyncio.to_thread(writing.wait, 20)
        fetching.cancel()
    for _turn in range(100):  # more than it takes to end, where nothing is waited for
        await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await asyncio.sleep(0)
    assert open_still
    assert all(open_still)
    assert arrival.partial._data < 0


async def test_whoever_reads_hears_of_what_nobody_has_foreseen(begin, monkeypatch):
    async def fail(_growing):
        raise RuntimeError("something else")

    monkeypatch.setattr(GrowingFile, "hash", fail)
    arrival = begin()
    reading = asyncio.ensure_future(read_all(arrival, Hub()))
    await asyncio.sleep(0)
    with pytest.raises(HubferryError, match="something else"):
        await asyncio.wait_for(arrival.run(), 20)
    with pytest.raises(HubferryError, match="something else"):
        await asyncio.wait_for(reading, 20)
    arrival.close()


@pytest.mark.parametrize("there", [range(1, 12), range(11), range(3, 5)])
async def test_a_file_of_which_an_earlier_run_had_any_part_is_doubted_for_everybody(
    begin, tmp_path, wrong, there
):
    """Whoever got bytes of that part is not known."""
    partial = PartialFile(tmp_path / "w.part", FILE.size)
    partial.write(there.start * CHUNK, [bytes(CHUNK * len(there))])
    partial.close()
    arrival = begin()
    reading = asyncio.ensure_future(read_all(arrival, Hub()))
    await asyncio.sleep(0)
    assert await arrival.run()
    with pytest.raises(IntegrityError):
        await reading
    arrival.close()
    assert wrong == [None]


async def test_a_file_that_came_wrong_as_a_whole_is_doubted_for_those_who_read_it(begin, wrong):
    hub = Hub(bytes(len(CONTENT)))
    arrival = begin()
    reading = asyncio.ensure_future(read_all(arrival, hub))
    await asyncio.sleep(0)
    with pytest.raises(IntegrityError):
        await arrival.run()
    with pytest.raises(IntegrityError):
        await reading
    arrival.close()
    assert wrong[0] == {"10.0.0.1"}
