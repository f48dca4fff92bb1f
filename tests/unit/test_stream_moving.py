"""Bytes move from a hub into the cache and on, by a hub of this test's that can be told to err."""

import asyncio
import contextlib
import hashlib
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from hubferry.cache.disk import disk
from hubferry.cache.partial import CHUNK, PartialFile, partial_path
from hubferry.cache.store import Cache
from hubferry.errors import (
    DiskError,
    HubferryError,
    IntegrityError,
    InterruptedRunError,
    NetworkError,
    NotFoundError,
)
from hubferry.events import FileDone, FileStarted, Progress
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.stream.concurrency import ConcurrencyLimit
from hubferry.stream.download import ConnectionLimits, Download
from hubferry.stream.growing import HELD_BACK
from hubferry.stream.schedule import Schedule
from hubferry.stream.upload import Upload

MIB = 1024 * 1024
REF = RepoRef("hf", "org/model")
COMMIT = Revision(REF, "c1")
DESTINATION = RepoRef("ms", "mine/model")
BIG = random.Random(1).randbytes(3 * MIB + 12_345)
OTHER = random.Random(2).randbytes(2 * MIB + 1)


def file_of(path, content):
    return RepoFile(path, len(content), hashlib.sha256(content).hexdigest(), lfs=True)


def git_file_of(path, content):
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return RepoFile(path, len(content), git_sha1=blob)


class Hub:
    """A source that has `contents`; `spoil` of a path changes, once each, what it answers."""

    def __init__(self, contents, *, piece=100_003):
        self.contents = contents
        self.piece = piece
        self.ignores_ranges = False
        self.asked = []
        self.spoil = {}
        self.wait = {}

    async def read(self, revision, file, start, stop):
        assert revision == COMMIT
        self.asked.append((file.path, start, stop))
        if file.path in self.wait:
            await self.wait[file.path].wait()
        content = self.contents[file.path]
        spoils = self.spoil.get(file.path)
        if spoils:
            content = spoils.pop(0)(content)
        for position in range(start, stop, self.piece):
            await asyncio.sleep(0)
            buffer = bytearray(content[position : min(position + self.piece, stop)])
            yield memoryview(buffer)
            buffer[:] = bytes(len(buffer))  # as a source may do that fills its buffer again

    async def whole(self, revision, file):
        return b"".join([bytes(piece) async for piece in self.read(revision, file, 0, file.size)])


def flipped(content):
    return bytes([content[0] ^ 1]) + content[1:]


def failing(error):
    def answer(_content):
        raise error

    return answer


class Port:
    """A destination that stores blobs which hash right, and what it saw of others."""

    limits = None

    def __init__(self, *, attempts=1):
        self.blobs = {}
        self.broken = []
        self.errors = []
        self.attempts = attempts
        self.most = self.open = 0

    async def upload(self, ref, blob, body):
        assert ref == DESTINATION
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for _attempt in range(self.attempts):
                await self._receive(blob, body())
        finally:
            self.open -= 1

    async def _receive(self, blob, pieces):
        received = bytearray()
        try:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    received += piece
        except HubferryError as error:
            self.broken.append(bytes(received))
            self.errors.append(error)
            raise
        assert hashlib.sha256(received).hexdigest() == blob.sha256
        assert len(received) == blob.size
        self.blobs[blob.sha256] = bytes(received)


@dataclass
class Stage:
    model: object
    executor: ThreadPoolExecutor
    events: list = field(default_factory=list)

    def download(self, hub, *, most=4, keep=True, **schedule):
        concurrency = ConcurrencyLimit(most, most)
        return Download(
            hub,
            COMMIT,
            self.model,
            connections=ConnectionLimits(concurrency, concurrency),
            schedule=Schedule(**schedule),
            executor=self.executor,
            listen=self.events.append,
            keep=keep,
        )

    def upload(self, port, *, slots=4):
        return Upload(
            port,
            DESTINATION,
            self.model,
            slots=slots,
            executor=self.executor,
            listen=self.events.append,
        )

    def held(self, path):
        place = self.model.target(path)
        return place.read_bytes() if place.exists() else None

    def progress(self, direction):
        return sum(e.count for e in self.events if isinstance(e, Progress) and e.direction == direction)

    def of(self, kind):
        return [(one.direction, one.path) for one in self.events if isinstance(one, kind)]

    def told(self, path):
        """What was told of one file, without the order of its parts."""
        return [
            (type(e).__name__, e.direction, getattr(e, "size", None) if type(e) is not Progress else e.count)
            for e in self.events
            if e.path == path
        ]

    def partials(self):
        return sorted(path.name for path in self.model.partial_directory.iterdir())

    def open_files(self):
        inside = str(self.model.path)
        links = Path("/proc/self/fd").iterdir()
        return [link for link in links if link.is_symlink() and inside in os.path.realpath(link)]


@pytest.fixture
def stage(tmp_path):
    with ThreadPoolExecutor(8, thread_name_prefix="ours") as executor:
        model = Cache(tmp_path / "root", roots=[]).open(REF)
        yield Stage(model, executor)


async def bring(download, *files):
    download.add(files)
    async with asyncio.timeout(20) if hasattr(asyncio, "timeout") else contextlib.nullcontext():
        await download.run()
    return dict(download.outcomes())


# into the cache


async def test_large_and_small_files_arrive_whole_and_are_counted(stage):
    contents = {"big.bin": BIG, "b/other.bin": OTHER, "small.bin": b"s" * 1000, "empty.txt": b""}
    files = [file_of(path, content) for path, content in contents.items()]
    hub = Hub(contents)
    download = stage.download(hub)
    found = await bring(download, *files)
    assert {path: stage.held(path) for path in contents} == contents
    assert {path: digests.sha256 for path, digests in found.items()} == {
        file.path: file.sha256 for file in files
    }
    assert download.fetched == sum(map(len, contents.values())) == stage.progress("fetch")
    assert sorted(stage.of(FileDone)) == sorted(stage.of(FileStarted))
    assert len(stage.of(FileDone)) == 4
    assert {e.size for e in stage.events if isinstance(e, FileDone)} == set(map(len, contents.values()))
    assert [download.streams(path) for path in contents] == [True, True, False, False]
    assert stage.partials() == []
    assert stage.open_files() == []
    assert all(stage.model.known(file) for file in files)
    assert not any(path == "empty.txt" for path, _start, _stop in hub.asked)
    assert await download.arrived("big.bin") == found["big.bin"]


async def test_parts_are_asked_for_once_each_without_a_gap(stage):
    hub = Hub({"big.bin": BIG})
    await bring(stage.download(hub), file_of("big.bin", BIG))
    ranges = sorted((start, stop) for _path, start, stop in hub.asked)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(BIG)
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    assert len(ranges) > 2


async def test_a_source_that_sends_whole_files_is_asked_for_the_rest_at_once(stage):
    hub = Hub({"big.bin": BIG})
    hub.ignores_ranges = True
    await bring(stage.download(hub, most=1), file_of("big.bin", BIG))
    assert hub.asked == [("big.bin", 0, len(BIG))]


@pytest.mark.parametrize("piece", [1000, CHUNK, 3 * CHUNK, 5 * CHUNK + 1, 10 * MIB])
async def test_bytes_arrive_right_whatever_the_pieces(stage, piece):
    await bring(stage.download(Hub({"big.bin": BIG}, piece=piece)), file_of("big.bin", BIG))
    assert stage.held("big.bin") == BIG


async def test_hundreds_of_small_files_are_stored_in_few_batches(stage, monkeypatch):
    contents = {f"d{number % 3}/{number}.txt": b"%d" % number for number in range(600)}
    batches = []
    put_many = type(stage.model).put_many
    monkeypatch.setattr(
        type(stage.model),
        "put_many",
        lambda model, batch: (batches.append(len(batch)), put_many(model, batch)),
    )
    await bring(
        stage.download(Hub(contents)), *(git_file_of(path, content) for path, content in contents.items())
    )
    assert {path: stage.held(path) for path in contents} == contents
    assert sum(batches) == 600
    assert len(batches) < 300


async def test_no_more_small_files_are_in_memory_than_there_is_room_for(stage, monkeypatch):
    monkeypatch.setattr("hubferry.stream.small._ROOM", 30_000)
    contents = {f"{number}.bin": random.Random(number).randbytes(10_000) for number in range(40)}
    hub, stored, most = Hub(contents), [], []
    hub.spoil["7.bin"] = [failing(NotFoundError("gone"))]
    put_many = type(stage.model).put_many

    def store(model, batch):
        most.append(len(hub.asked) - len(stored))
        put_many(model, batch)
        stored.extend(batch)

    monkeypatch.setattr(type(stage.model), "put_many", store)
    download = stage.download(hub, most=16)
    download.add([git_file_of(path, content) for path, content in contents.items()])
    await download.run()
    del contents["7.bin"]
    assert {path: stage.held(path) for path in contents} == contents
    assert max(most) <= 4  # and the one that failed


@pytest.mark.parametrize("content", [BIG, b"small"], ids=["large", "small"])
async def test_wrong_bytes_are_fetched_once_more(stage, content):
    hub = Hub({"a.bin": content})
    hub.spoil["a.bin"] = [flipped]
    download = stage.download(hub, most=1)
    hub.ignores_ranges = True
    await bring(download, file_of("a.bin", content))
    assert stage.held("a.bin") == content
    assert download.fetched == 2 * len(content)
    assert stage.progress("fetch") == len(content)
    assert len(hub.asked) == 2


@pytest.mark.parametrize("content", [BIG, b"small"], ids=["large", "small"])
async def test_bytes_that_stay_wrong_get_no_name_and_spoil_no_other_file(stage, content):
    hub = Hub({"a.bin": content, "good.bin": OTHER, "good.txt": b"good"})
    hub.spoil["a.bin"] = [flipped] * 99
    download = stage.download(hub)
    found = await bring(
        download, file_of("a.bin", content), file_of("good.bin", OTHER), git_file_of("good.txt", b"good")
    )
    error = found.pop("a.bin")
    assert isinstance(error, IntegrityError)
    assert (error.path, error.side) == ("a.bin", "source")
    assert "a.bin" in error.message
    assert set(found) == {"good.bin", "good.txt"}
    assert stage.held("a.bin") is None
    assert stage.held("good.bin") == OTHER
    with pytest.raises(IntegrityError):
        await download.arrived("a.bin")
    assert len([path for path, start, _stop in hub.asked if path == "a.bin" and start == 0]) == 2


@pytest.mark.parametrize("content", [BIG, b"small"], ids=["large", "small"])
async def test_a_file_that_is_gone_fails_for_itself(stage, content):
    hub = Hub({"a.bin": content, "good.bin": OTHER})
    hub.spoil["a.bin"] = [failing(NotFoundError("gone", side="source", path="a.bin"))] * 99
    found = await bring(stage.download(hub), file_of("a.bin", content), file_of("good.bin", OTHER))
    assert isinstance(found["a.bin"], NotFoundError)
    assert stage.held("good.bin") == OTHER


@pytest.mark.parametrize("content", [BIG, b"small"], ids=["large", "small"])
async def test_a_network_that_is_gone_ends_the_run_and_keeps_what_came(stage, content):
    hub = Hub({"a.bin": content})
    hub.spoil["a.bin"] = [failing(NetworkError("no route"))] * 99
    with pytest.raises(NetworkError):
        await bring(stage.download(hub), file_of("a.bin", content))
    assert stage.open_files() == []
    hub.spoil.clear()
    await bring(stage.download(hub), file_of("a.bin", content))
    assert stage.held("a.bin") == content


@pytest.mark.parametrize("operation", ["open", "pwrite_all", "pread_into", "replace", "append"])
@pytest.mark.parametrize("content", [BIG, b"small"], ids=["large", "small"])
async def test_a_disk_that_fails_ends_the_run_with_its_sentence(stage, monkeypatch, operation, content):
    if operation == "pread_into" and content is not BIG:
        pytest.skip("a small file is hashed in memory")

    def fail(*_arguments, **_keywords):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, operation, fail)
        with pytest.raises(DiskError):
            await bring(stage.download(Hub({"a.bin": content})), file_of("a.bin", content))
    assert stage.open_files() == []
    assert stage.held("a.bin") in (None, content)
    await bring(stage.download(Hub({"a.bin": content})), file_of("a.bin", content))
    assert stage.held("a.bin") == content


async def test_a_disk_that_fails_when_wrong_bytes_are_taken_back_ends_the_run_with_its_sentence(
    stage, monkeypatch
):
    honest, calls = disk.truncate, []

    def truncate(descriptor, size):
        calls.append(size)
        if len(calls) > 3:  # those that begin the file
            raise OSError(5, "Input/output error")
        honest(descriptor, size)

    monkeypatch.setattr(disk, "truncate", truncate)
    hub = Hub({"a.bin": BIG})
    hub.spoil["a.bin"] = [flipped] * 99
    with pytest.raises(DiskError):
        await bring(stage.download(hub), file_of("a.bin", BIG))
    assert stage.open_files() == []


async def test_a_file_that_is_shorter_than_it_says_when_read_back_is_an_error_of_the_disk(stage, monkeypatch):
    monkeypatch.setattr(disk, "pread_into", lambda *_arguments: 0)
    with pytest.raises(DiskError):
        await bring(stage.download(Hub({"a.bin": BIG})), file_of("a.bin", BIG))


def left_behind(stage, content, *ranges):
    """Leave what a killed run leaves."""
    partial = PartialFile(partial_path(stage.model.partial_directory, file_of("big.bin", BIG)), len(BIG))
    for start, stop in ranges:
        partial.write(start, [content[start:stop]])
    partial.close()


async def test_what_an_earlier_run_brought_is_not_fetched_again(stage):
    left_behind(stage, BIG, (0, 2 * CHUNK), (4 * CHUNK, 6 * CHUNK))
    download = stage.download(Hub({"big.bin": BIG}))
    await bring(download, file_of("big.bin", BIG))
    assert stage.held("big.bin") == BIG
    assert download.fetched == len(BIG) - 4 * CHUNK
    started = [e for e in stage.events if isinstance(e, FileStarted)]
    assert (started[0].size, started[0].done) == (len(BIG), 4 * CHUNK)


@pytest.mark.parametrize("beside", [False, True])
async def test_a_file_that_an_earlier_run_had_whole_is_hashed_and_asks_for_nothing(stage, beside):
    left_behind(stage, BIG, (0, len(BIG)))
    hub = Hub({"big.bin": BIG, "other.bin": OTHER})
    files = [file_of("big.bin", BIG), *([file_of("other.bin", OTHER)] if beside else [])]
    await bring(stage.download(hub), *files)
    assert stage.held("big.bin") == BIG
    assert {path for path, _start, _stop in hub.asked} == ({"other.bin"} if beside else set())


async def test_a_whole_file_that_rotted_before_it_got_its_name_is_fetched_anew(stage):
    left_behind(stage, flipped(BIG), (0, len(BIG)))
    download = stage.download(Hub({"big.bin": BIG}))
    await bring(download, file_of("big.bin", BIG))
    assert stage.held("big.bin") == BIG
    assert download.fetched == len(BIG)


async def test_nothing_to_fetch_is_over_at_once(stage):
    assert await bring(stage.download(Hub({}))) == {}


async def test_a_file_that_stays_in_the_cache_bars_others_only_until_it_has_arrived(stage):
    contents = {"a.bin": BIG, "b.bin": OTHER}
    hub = Hub(contents)
    await bring(
        stage.download(hub, active=1), *(file_of(path, content) for path, content in contents.items())
    )
    assert stage.held("b.bin") == OTHER
    assert [path for path, *_range in hub.asked] == sorted(path for path, *_range in hub.asked)


async def test_the_largest_file_comes_first_and_a_file_of_a_mebibyte_is_still_small(stage):
    contents = {"s.bin": BIG[:MIB], "m.bin": OTHER, "l.bin": BIG}
    hub = Hub(contents)
    download = stage.download(hub, most=1, abreast=1)
    await bring(download, *(file_of(path, content) for path, content in contents.items()))
    assert [download.streams(path) for path in contents] == [False, True, True]
    large = [path for path, *_range in hub.asked if path != "s.bin"]
    assert large[0] == "l.bin"


async def test_files_that_may_not_pile_up_wait_until_others_have_left(stage):
    contents = {"a.bin": BIG, "b.bin": OTHER}
    hub = Hub(contents)
    download = stage.download(hub, keep=False, active=1)
    download.add([file_of(path, content) for path, content in contents.items()])
    run = asyncio.create_task(download.run())
    await download.arrived("a.bin")
    await asyncio.sleep(0.05)
    assert {path for path, _start, _stop in hub.asked} == {"a.bin"}
    download.gone("a.bin")
    await run
    assert stage.held("b.bin") == OTHER


async def test_who_waits_for_a_file_that_has_not_begun_may_go_away(stage):
    files = [file_of("a.bin", BIG), file_of("b.bin", OTHER)]
    download = stage.download(Hub({"a.bin": BIG, "b.bin": OTHER}))
    download.add(files)
    waiting = asyncio.create_task(stage.upload(Port()).send_growing(files[1], files[1].sha256, download))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await download.run()
    assert stage.held("b.bin") == OTHER
    assert not stage.open_files()


# and on to the destination


async def send(stage, download, port, *files):
    upload = stage.upload(port)
    download.add(files)
    jobs = [upload.send_growing(file, file.sha256, download) for file in files]
    await asyncio.gather(download.run(), *jobs)
    return upload


async def test_a_file_is_sent_while_it_arrives(stage):
    hub, port = Hub({"big.bin": BIG}), Port()
    hub.wait["big.bin"] = asyncio.Event()
    download, file = stage.download(hub), file_of("big.bin", BIG)
    work = asyncio.create_task(send(stage, download, port, file))
    await asyncio.sleep(0.01)
    assert port.blobs == {}
    hub.wait["big.bin"].set()
    upload = await work
    assert port.blobs == {file.sha256: BIG}
    assert upload.sent == len(BIG) == stage.progress("send")
    assert ("send", "big.bin") in stage.of(FileDone)
    assert ("send", "big.bin") in stage.of(FileStarted)
    assert stage.open_files() == []


async def test_nobody_looks_for_a_part_because_an_upload_has_moved(stage, monkeypatch):
    looks, look = 0, Schedule.next

    def counted(self):
        nonlocal looks
        looks += 1
        return look(self)

    monkeypatch.setattr(Schedule, "next", counted)
    content = random.Random("stream moving, looks").randbytes(20 * MIB)
    hub, port = Hub({"large": content}), Port(attempts=3)
    download = stage.download(hub, most=8)
    await send(stage, download, port, file_of("large", content))
    assert looks <= 4 * 8 + 20  # each part once, and each worker when something is begun or ends


async def test_an_upload_of_wrong_bytes_is_broken_off_and_begun_anew(stage):
    hub, port = Hub({"big.bin": BIG}), Port()
    hub.ignores_ranges = True
    hub.spoil["big.bin"] = [flipped]
    file = file_of("big.bin", BIG)
    await send(stage, stage.download(hub, most=1), port, file)
    assert port.blobs == {file.sha256: BIG}
    assert all(len(one) <= len(BIG) - HELD_BACK for one in port.broken)
    assert stage.progress("send") == len(BIG)


async def test_an_upload_of_a_file_that_stays_wrong_fails_with_it_and_is_never_completed(stage):
    hub, port = Hub({"big.bin": BIG}), Port()
    hub.spoil["big.bin"] = [flipped] * 99
    download, file = stage.download(hub), file_of("big.bin", BIG)
    download.add([file])
    run = asyncio.create_task(download.run())
    with pytest.raises(IntegrityError):
        await stage.upload(port).send_growing(file, file.sha256, download)
    await run
    assert port.blobs == {}
    assert all(len(one) < len(BIG) for one in port.broken)
    assert stage.open_files() == []


async def test_a_reader_of_a_run_that_is_broken_off_is_told(stage):
    hub, port = Hub({"big.bin": BIG, "x.bin": OTHER}), Port()
    download, file = stage.download(hub), file_of("big.bin", BIG)
    hub.spoil["x.bin"] = [failing(NetworkError("no route"))] * 99
    hub.wait["x.bin"] = asyncio.Event()
    slow = hub.wait["big.bin"] = asyncio.Event()
    download.add([file, file_of("x.bin", OTHER)])
    sending = asyncio.create_task(stage.upload(port).send_growing(file, file.sha256, download))
    run = asyncio.create_task(download.run())
    while "big.bin" not in {path for path, *_range in hub.asked}:  # noqa: ASYNC110 - the port has no event
        await asyncio.sleep(0.001)
    hub.wait["x.bin"].set()
    with pytest.raises(NetworkError):
        await run
    with pytest.raises(InterruptedRunError, match="the run was broken off"):
        await sending
    assert not slow.is_set()
    assert port.blobs == {}
    assert stage.open_files() == []


def stored(stage, path, content):
    file = file_of(path, content)
    partial = stage.model.partial_directory / "x.part"
    partial.write_bytes(content)
    digests = hashlib.sha256(content).hexdigest()
    assert digests == file.sha256
    from hubferry.model import Digests

    stage.model.publish(file, partial, Digests(len(content), digests))
    return file


@pytest.mark.parametrize("size", [0, 1, MIB, 9 * MIB + 5])
async def test_a_cached_file_is_sent_whole(stage, size):
    content = random.Random(3).randbytes(size)
    file, port = stored(stage, "a.bin", content), Port()
    upload = stage.upload(port)
    await upload.send_cached(file, file.sha256)
    assert port.blobs == {file.sha256: content}
    assert upload.sent == size == stage.progress("send")


@pytest.mark.parametrize("damage", [flipped, lambda content: content[:-1], lambda _content: b""])
async def test_a_cached_file_that_changed_is_never_sent_to_its_end(stage, damage):
    file, port = stored(stage, "a.bin", BIG), Port()
    stage.model.target("a.bin").write_bytes(damage(BIG))
    with pytest.raises(IntegrityError) as caught:
        await stage.upload(port).send_cached(file, file.sha256)
    assert port.blobs == {}
    assert all(len(one) < len(BIG) for one in port.broken)
    assert (caught.value.side, caught.value.path) == ("cache", "a.bin")
    assert caught.value.hint == "hubferry cache verify"


async def test_a_cached_file_that_cannot_be_read_is_an_error_of_the_disk(stage):
    file, port = stored(stage, "a.bin", BIG), Port()
    stage.model.target("a.bin").unlink()
    with pytest.raises(DiskError):
        await stage.upload(port).send_cached(file, file.sha256)


async def test_an_upload_that_is_tried_again_counts_its_bytes_once(stage):
    file, port = stored(stage, "a.bin", BIG), Port(attempts=3)
    await stage.upload(port).send_cached(file, file.sha256)
    assert stage.progress("send") == len(BIG)


async def test_no_more_uploads_run_at_once_than_there_are_slots(stage):
    files = [stored(stage, f"{number}.bin", b"%d" % number * 100) for number in range(9)]
    port = Port()
    upload = stage.upload(port, slots=2)
    await asyncio.gather(*(upload.send_cached(file, file.sha256) for file in files))
    assert port.most == 2
    assert len(port.blobs) == 9


@pytest.mark.parametrize("growing", [False, True])
async def test_an_upload_that_is_put_back_begins_anew_counts_once_and_is_right(stage, growing, monkeypatch):
    """Nothing of the attempt that was broken off is stored, and none of its bytes are told twice."""
    contents = {"a.bin": BIG, "b.bin": OTHER}
    files = [file_of(path, content) for path, content in contents.items()]
    times = []

    def put_back(self, count, _now, active):
        if count and len(active) > 1 and len(times) < 3:
            times.append(active[-1])
            return [active[-1]]
        return ()

    monkeypatch.setattr("hubferry.stream.turns.Abreast.moved", put_back)
    monkeypatch.setattr("hubferry.stream.turns._WORTH_PUTTING_BACK", 1)
    port = Port()
    upload = stage.upload(port)
    if growing:
        download = stage.download(Hub(contents))
        download.add(files)
        jobs = [upload.send_growing(file, file.sha256, download) for file in files]
        await asyncio.gather(download.run(), *jobs)
    else:
        files = [stored(stage, path, content) for path, content in contents.items()]
        await asyncio.gather(*(upload.send_cached(file, file.sha256) for file in files))
    assert len(times) == 3
    assert port.blobs == {file.sha256: contents[file.path] for file in files}
    assert stage.progress("send") == upload.sent == len(BIG) + len(OTHER)
    assert not stage.open_files()


async def test_everything_is_told_of_the_file_that_it_is_about(stage):
    contents = {"big.bin": BIG, "small.bin": b"small"}
    files = {path: file_of(path, content) for path, content in contents.items()}
    download, upload = stage.download(Hub(contents)), stage.upload(Port())
    download.add(files.values())
    sends = [upload.send_growing(files["big.bin"], files["big.bin"].sha256, download)]
    await asyncio.gather(download.run(), *sends)
    await upload.send_cached(files["small.bin"], files["small.bin"].sha256)
    assert upload.sent == len(BIG) + 5
    assert stage.told("small.bin") == [
        ("FileStarted", "fetch", 5),
        ("Progress", "fetch", 5),
        ("FileDone", "fetch", 5),
        ("FileStarted", "send", 5),
        ("Progress", "send", 5),
        ("FileDone", "send", 5),
    ]
    big = stage.told("big.bin")
    assert {(kind, direction, size) for kind, direction, size in big if kind != "Progress"} == {
        (kind, direction, len(BIG)) for kind in ("FileStarted", "FileDone") for direction in ("fetch", "send")
    }
    for way in ("fetch", "send"):
        assert sum(count for kind, direction, count in big if (kind, direction) == ("Progress", way)) == len(
            BIG
        )
    assert all(e.path in contents for e in stage.events)


async def test_a_small_file_in_many_pieces_is_put_together(stage):
    await bring(
        stage.download(Hub({"a.txt": b"in pieces of two"}, piece=2)),
        git_file_of("a.txt", b"in pieces of two"),
    )
    assert stage.held("a.txt") == b"in pieces of two"


async def test_a_wrong_empty_file_takes_back_nothing(stage):
    download = stage.download(Hub({"e.bin": b""}))
    found = await bring(download, RepoFile("e.bin", 0, sha256="0" * 64))
    assert isinstance(found["e.bin"], IntegrityError)
    assert found["e.bin"].message == "e.bin: the bytes that arrived are not those the source lists"
    assert stage.progress("fetch") == 0
    assert all(e.path == "e.bin" for e in stage.events)


async def test_a_file_that_has_arrived_before_its_turn_is_read_from_the_cache(stage):
    download, file, port = stage.download(Hub({"big.bin": BIG})), file_of("big.bin", BIG), Port()
    assert (await bring(download, file))["big.bin"] is not None
    assert download.has_arrived("big.bin")
    await stage.upload(port).send_growing(file, file.sha256, download)
    assert port.blobs == {file.sha256: BIG}
    assert stage.progress("send") == len(BIG)
    stage.model.target("big.bin").write_bytes(flipped(BIG))
    with pytest.raises(IntegrityError):
        await stage.upload(port).send_growing(file, file.sha256, download)


async def test_the_schedule_hears_how_far_an_upload_is(stage, monkeypatch):
    heard = []
    sent = Schedule.sent
    monkeypatch.setattr(
        Schedule, "sent", lambda self, path, at: (heard.append((path, at)), sent(self, path, at))[1]
    )
    file = file_of("big.bin", BIG)
    await send(stage, stage.download(Hub({"big.bin": BIG})), Port(), file)
    assert {path for path, _at in heard} == {"big.bin"}
    assert heard[-1] == ("big.bin", len(BIG))
    assert [at for _path, at in heard] == sorted(at for _path, at in heard)


async def test_what_breaks_an_upload_off_says_which_file_and_why(stage):
    hub, port = Hub({"big.bin": BIG}), Port()
    hub.spoil["big.bin"] = [flipped]
    hub.ignores_ranges = True
    file = file_of("big.bin", BIG)
    hub.wait["big.bin"] = asyncio.Event()
    hub.wait["big.bin"].set()
    await send(stage, stage.download(hub, most=1), port, file)
    (error,) = port.errors
    assert (error.side, error.path) == ("source", "big.bin")
    assert error.message == "big.bin: the bytes that arrived are not those the source lists"


async def test_a_changed_cached_file_is_told_of_in_these_words(stage):
    file = stored(stage, "a.bin", BIG)
    stage.model.target("a.bin").write_bytes(flipped(BIG))
    with pytest.raises(IntegrityError) as caught:
        await stage.upload(Port()).send_cached(file, file.sha256)
    assert caught.value.message == "a.bin: the cached file has changed since it was verified"


async def test_an_upload_that_is_tried_again_takes_back_all_it_counted(stage):
    file, port = stored(stage, "a.bin", BIG), Port(attempts=2)
    await stage.upload(port).send_cached(file, file.sha256)
    counts = [e.count for e in stage.events if isinstance(e, Progress)]
    assert -len(BIG) in counts
    assert sum(count for count in counts if count > 0) == 2 * len(BIG)


async def test_files_are_read_hashed_and_written_in_the_threads_that_were_given(stage, monkeypatch):
    threads = set()
    for name in ("pread", "pread_into", "pwrite_all"):
        honest = getattr(disk, name)

        def watched(*arguments, honest=honest):
            if len(arguments) > 1 and arguments[1] not in (0, 1):
                threads.add(threading.current_thread().name.rpartition("_")[0])
            return honest(*arguments)

        monkeypatch.setattr(disk, name, watched)
    file = file_of("big.bin", BIG)
    partial_path(stage.model.partial_directory, file)
    download = stage.download(Hub({"big.bin": BIG}))
    download.add([file])
    upload = stage.upload(Port())
    run = asyncio.gather(download.run(), upload.send_growing(file, file.sha256, download))
    await asyncio.sleep(0)  # the partial is opened on the loop, before the first part is asked for
    await asyncio.sleep(0)
    threads.clear()
    await run
    await upload.send_cached(file, file.sha256)
    assert "ours" in threads
    assert not any(name.startswith("asyncio") for name in threads)


@pytest.mark.parametrize("piece", [100_003, CHUNK, 65_536])
async def test_bytes_are_written_in_whole_chunks_and_never_many_at_once(stage, monkeypatch, piece):
    writes = []
    write = PartialFile.write

    def watched(partial, offset, pieces):
        writes.append((offset, sum(map(len, pieces))))
        return write(partial, offset, pieces)

    monkeypatch.setattr(PartialFile, "write", watched)
    monkeypatch.setattr("hubferry.stream.download._SOON", 600.0)  # what waited long is written in part
    content = random.Random(5).randbytes(9 * MIB)
    hub = Hub({"big.bin": content}, piece=piece)
    hub.ignores_ranges = True
    await bring(stage.download(hub, most=1), file_of("big.bin", content))
    assert all(offset % CHUNK == 0 for offset, _length in writes)
    assert all(length == 4 * CHUNK for _offset, length in writes[:-1])
    assert len(writes) == 9


# what goes inside a commit


async def test_small_files_that_a_commit_needs_are_remembered_up_to_a_limit(stage, monkeypatch):
    monkeypatch.setattr("hubferry.stream.small._MOST_REMEMBERED", 250)
    contents = {f"{name}.json": name.encode() * 100 for name in "abcd"} | {"big.bin": bytes(2 << 20)}
    files = [file_of(path, content) for path, content in contents.items()]
    download = stage.download(Hub(contents))
    download.remember({"a.json", "b.json", "c.json", "big.bin"})
    await bring(download, *files)
    assert len(download.contents) == 2
    assert set(download.contents) < {"a.json", "b.json", "c.json"}
    assert all(contents[path] == content for path, content in download.contents.items())


async def test_a_small_file_that_came_wrong_is_not_remembered(stage):
    hub = Hub({"a.json": b"right"})
    hub.spoil["a.json"] = [flipped] * 9
    download = stage.download(hub)
    download.remember({"a.json"})
    outcomes = await bring(download, file_of("a.json", b"right"))
    assert isinstance(outcomes["a.json"], IntegrityError)
    assert download.contents == {}
