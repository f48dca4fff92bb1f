"""Content that occurs more than once in a repository gets its other names together."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fault"))

from acts import REF, digests_of, file_of
from disk_faults import Faults, never_waiting

from hubferry.cache.disk import disk
from hubferry.cache.store import Cache
from hubferry.errors import DiskError
from hubferry.stream.schedule import SMALL
from hubferry.stream.twins import Twins


@pytest.fixture
def model(tmp_path):
    model = Cache(tmp_path / "root", roots=()).open(REF)
    with model.hold(wait=0):
        yield model


@pytest.fixture
def executor():
    with ThreadPoolExecutor(4) as executor:
        yield executor


async def take_in(twins, model, count, content):
    origin = model.target("first.bin")
    files = [file_of(f"twin{number}.bin", content) for number in range(count)]
    return await asyncio.gather(*(twins.take_in(file, origin) for file in files), return_exceptions=True)


async def test_a_hundred_small_twins_wait_for_the_disk_as_long_as_one(model, executor):
    model.put_many([(file_of("first.bin", b"x"), b"x", digests_of(b"x"))])
    with never_waiting(), Faults().installed() as counted:
        found = await take_in(Twins(model, executor), model, 100, b"x")
    assert {digests.sha256 for digests in found} == {digests_of(b"x").sha256}
    assert counted.names.count("fsync") == 2
    assert counted.names.count("append") == 1
    assert all(model.known(file_of(f"twin{number}.bin", b"x")) for number in range(100))


async def test_those_that_come_while_the_disk_is_busy_go_together_afterwards(model, executor, monkeypatch):
    model.put_many([(file_of("first.bin", b"x"), b"x", digests_of(b"x"))])
    twins, batches, honest, later = Twins(model, executor), [], model.adopt_many, []
    loop = asyncio.get_running_loop()

    def adopt_many(wanted):
        batches.append(len(wanted))
        if len(batches) == 1:
            coming = asyncio.run_coroutine_threadsafe(begin(), loop)
            coming.result(30)
        return honest(wanted)

    async def begin():
        later.extend(
            asyncio.create_task(twins.take_in(file_of(f"late{number}", b"x"), model.target("first.bin")))
            for number in range(7)
        )
        await asyncio.sleep(0)

    monkeypatch.setattr(model, "adopt_many", adopt_many)
    await take_in(twins, model, 3, b"x")
    assert all(await asyncio.gather(*later))
    assert batches == [3, 7]


async def test_a_twin_that_is_not_what_it_was_is_told_to_be_none(model, executor):
    model.put_many([(file_of("first.bin", b"x"), b"x", digests_of(b"x"))])
    model.target("first.bin").write_bytes(b"y")
    assert await take_in(Twins(model, executor), model, 3, b"x") == [None] * 3


async def test_a_failing_disk_is_told_to_each_that_waits_and_the_next_ones_come_in(
    model, executor, monkeypatch
):
    model.put_many([(file_of("first.bin", b"x"), b"x", digests_of(b"x"))])
    twins = Twins(model, executor)
    with monkeypatch.context() as patch:
        patch.setattr(
            disk, "replace", lambda *_names: (_ for _ in ()).throw(OSError(5, "input/output error"))
        )
        found = await take_in(twins, model, 3, b"x")
    assert [type(error) for error in found] == [DiskError] * 3
    assert None not in await take_in(twins, model, 3, b"x")


async def test_a_large_twin_is_taken_in_by_itself(model, executor, monkeypatch):
    content = bytes(SMALL + 1)
    model.put_many([(file_of("first.bin", content), content, digests_of(content))])
    monkeypatch.setattr(model, "adopt_many", lambda _wanted: pytest.fail("it was taken for a small one"))
    assert None not in await take_in(Twins(model, executor), model, 2, content)
