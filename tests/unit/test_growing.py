import asyncio
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from hubferry.cache.partial import CHUNK, PartialFile, missing_ranges
from hubferry.errors import IntegrityError
from hubferry.model import RepoFile
from hubferry.stream.growing import BLOCK, HELD_BACK, GrowingFile

SIZE = 12 * BLOCK + 5
CONTENT = bytes(range(256)) * (SIZE // 256) + b"12345"


@pytest.fixture
def executor():
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def growing(tmp_path, executor):
    partial = PartialFile(tmp_path / "x.part", SIZE)
    file = RepoFile("x", SIZE, sha256=hashlib.sha256(CONTENT).hexdigest())
    yield GrowingFile(file, partial, executor)
    partial.close()


def land(growing, start, stop, content=CONTENT):
    growing.partial.write(start, [content[start:stop]])
    growing.landed(start, stop)


async def collect_bytes(growing, into):
    async for piece in growing.read(lambda _position: None):
        into.append(piece)


async def collect_spans(growing, into):
    async for span in growing.spans(lambda _position: None):
        into.append(os.pread(span.descriptor, len(span), span.start))


@pytest.fixture(params=[collect_bytes, collect_spans])
def collect(request):
    return request.param


async def settle():
    for _ in range(20):
        await asyncio.sleep(0.005)


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


async def test_a_reader_follows_the_front_and_not_what_lies_beyond_a_gap(growing, collect):
    pieces = []
    reader = asyncio.create_task(collect(growing, pieces))
    land(growing, 2 * BLOCK, 3 * BLOCK)
    await settle()
    assert pieces == []
    land(growing, 0, BLOCK)
    await until(lambda: b"".join(pieces) == CONTENT[:BLOCK])
    reader.cancel()


async def test_the_last_block_is_held_back_until_the_hash_is_right(growing, collect):
    pieces = []
    reader = asyncio.create_task(collect(growing, pieces))
    land(growing, 0, SIZE)
    await until(lambda: len(b"".join(pieces)) == SIZE - HELD_BACK)
    await settle()
    assert len(b"".join(pieces)) < SIZE
    growing.proven(await growing.hash())
    await reader
    assert b"".join(pieces) == CONTENT


async def test_wrong_bytes_never_reach_the_end_of_a_reader(growing, collect):
    pieces = []
    reader = asyncio.create_task(collect(growing, pieces))
    wrong = b"!" + CONTENT[1:]
    land(growing, 0, SIZE, wrong)
    with pytest.raises(IntegrityError) as caught:
        await growing.hash()
    growing.fail(caught.value)
    with pytest.raises(IntegrityError):
        await reader
    assert len(b"".join(pieces)) < SIZE
    assert caught.value.path == "x"
    assert caught.value.side == "source"


async def test_a_file_of_git_is_proven_by_its_blob_id(tmp_path, executor):
    content = b"hello"
    sha1 = hashlib.sha1(b"blob 5\0" + content, usedforsecurity=False).hexdigest()
    partial = PartialFile(tmp_path / "y.part", 5)
    partial.write(0, [content])
    digests = await GrowingFile(RepoFile("y", 5, git_sha1=sha1), partial, executor).hash()
    assert digests.git_sha1 == sha1
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    with pytest.raises(IntegrityError):
        await GrowingFile(RepoFile("y", 5, git_sha1="0" * 40), partial, executor).hash()
    partial.close()


def test_a_partial_remembers_what_landed(tmp_path):
    path = tmp_path / "x.part"
    first = PartialFile(path, SIZE)
    assert first.missing() == [(0, SIZE)]
    first.write(CHUNK, [CONTENT[CHUNK : 2 * CHUNK], CONTENT[2 * CHUNK : 3 * CHUNK]])
    first.close()
    assert missing_ranges(path, SIZE) == [(0, CHUNK), (3 * CHUNK, SIZE)]
    again = PartialFile(path, SIZE)
    assert again.missing() == [(0, CHUNK), (3 * CHUNK, SIZE)]
    assert again.read(CHUNK, 2 * CHUNK) == CONTENT[CHUNK : 3 * CHUNK]
    again.write(3 * CHUNK, [CONTENT[3 * CHUNK :]])
    again.write(0, [CONTENT[:CHUNK]])
    assert again.missing() == []
    again.close()


def test_a_chunk_that_is_not_full_is_fetched_again(tmp_path):
    partial = PartialFile(tmp_path / "x.part", SIZE)
    partial.write(0, [CONTENT[: CHUNK + 100]])
    partial.close()
    assert missing_ranges(tmp_path / "x.part", SIZE) == [(CHUNK, SIZE)]


def test_a_partial_of_another_size_is_started_over(tmp_path):
    path = tmp_path / "x.part"
    partial = PartialFile(path, SIZE)
    partial.write(0, [CONTENT])
    partial.close()
    assert missing_ranges(path, SIZE) == []
    assert missing_ranges(path, SIZE - 1) == [(0, SIZE - 1)]
    other = PartialFile(path, SIZE - 1)
    assert other.missing() == [(0, SIZE - 1)]
    other.close()


def test_a_map_without_its_file_promises_nothing(tmp_path):
    path = tmp_path / "x.part"
    partial = PartialFile(path, SIZE)
    partial.write(0, [CONTENT])
    partial.close()
    path.unlink()
    assert missing_ranges(path, SIZE) == [(0, SIZE)]
    other = PartialFile(path, SIZE)
    assert other.missing() == [(0, SIZE)]
    other.close()
