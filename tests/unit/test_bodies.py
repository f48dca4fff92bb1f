"""A body that goes on where an attempt has ended hashes all that was ever sent of it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from hubferry.cache.disk import disk
from hubferry.errors import IntegrityError
from hubferry.events import FileStarted, Progress
from hubferry.hubs.ports import PartedBody
from hubferry.model import RepoFile
from hubferry.rate_limit import RateLimitedDestination
from hubferry.stream.bodies import CachedBody, SendProgress

CONTENT = bytes(range(256)) * 5000
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CUT = 500_000


class Held:
    """A folder whose only file can be changed."""

    def __init__(self, place):
        self.place = place
        place.write_bytes(CONTENT)

    def target(self, _path):
        return self.place

    def disk_errors(self):
        return nullcontext()


@pytest.fixture
def held(tmp_path):
    return Held(tmp_path / "f.bin")


@pytest.fixture
def heard():
    return []


@pytest.fixture
def body(held, heard):
    with ThreadPoolExecutor(1) as executor:
        file = RepoFile("f.bin", SIZE, sha256=SHA256)
        yield CachedBody(
            file, SHA256, SendProgress(heard.append, file, lambda _position, _count: None), held, executor
        )


async def read(body, start, stop):
    return b"".join([piece async for piece in body.part(start, stop)])


async def test_parts_are_the_file_and_their_end_says_what_everything_before_hashes_to(body):
    assert await read(body, 0, CUT) == CONTENT[:CUT]
    assert await body.digest(CUT) == hashlib.sha256(CONTENT[:CUT]).hexdigest()
    assert await read(body, CUT, SIZE) == CONTENT[CUT:]
    assert await body.digest(SIZE) == SHA256


async def test_a_part_that_broke_is_read_again_from_its_start_and_nothing_else_is(body, monkeypatch):
    reads = []
    honest = disk.pread
    await read(body, 0, CUT)
    async for _piece in body.part(CUT, SIZE):
        break
    monkeypatch.setattr(
        disk, "pread", lambda fd, n, at: (reads.append(at), honest(fd, n, at))[1], raising=False
    )
    assert await read(body, CUT, SIZE) == CONTENT[CUT:]
    assert min(reads) == CUT


@pytest.mark.parametrize("at", [0, CUT - 1, CUT, SIZE - 1])
async def test_a_byte_that_changes_between_two_parts_or_attempts_is_found(body, held, at):
    """Bytes of the first part were sent as they were; the whole is what both together hash to."""
    changed = bytearray(CONTENT)
    changed[at] ^= 1
    if at < CUT:
        held.place.write_bytes(changed)
        await read(body, 0, CUT)
        held.place.write_bytes(CONTENT)
    else:
        await read(body, 0, CUT)
        held.place.write_bytes(changed)
    with pytest.raises(IntegrityError):
        await read(body, CUT, SIZE)


async def test_what_an_earlier_run_has_stored_is_read_and_told_as_there(body, heard):
    assert await body.digest(CUT) == hashlib.sha256(CONTENT[:CUT]).hexdigest()
    assert heard == [FileStarted("send", "f.bin", SIZE, CUT)]
    await read(body, CUT, SIZE)
    assert sum(event.count for event in heard[1:]) == SIZE - CUT


async def test_an_attempt_that_begins_anew_takes_back_what_was_told(body, heard):
    await read(body, 0, CUT)
    await read(body, CUT, SIZE)
    assert await read(body, 0, SIZE) == CONTENT
    assert sum(event.count for event in heard if isinstance(event, Progress)) == SIZE
    assert sum(isinstance(event, FileStarted) for event in heard) == 1


async def test_the_last_bytes_of_a_wrong_file_do_not_come_out(body, held):
    held.place.write_bytes(CONTENT[:-1] + b"x")
    got = []

    async def take():
        got.extend([len(piece) async for piece in body.part(0, SIZE - 1)])
        got.extend([len(piece) async for piece in body.part(SIZE - 1, SIZE)])

    with pytest.raises(IntegrityError):
        await take()
    assert sum(got) == SIZE - 1


async def test_a_rate_does_not_take_away_that_a_body_has_parts(body):
    class Port:
        async def upload(self, _ref, _blob, given):
            self.given = given

    port = Port()
    await RateLimitedDestination(port, 1 << 40).upload(None, None, body)
    assert isinstance(port.given, PartedBody)
    assert await read(port.given, 0, CUT) == CONTENT[:CUT]
    assert await port.given.digest(CUT) == hashlib.sha256(CONTENT[:CUT]).hexdigest()

    async def plain():
        yield b"x"

    await RateLimitedDestination(port, 1 << 40).upload(None, None, plain)
    assert not isinstance(port.given, PartedBody)
