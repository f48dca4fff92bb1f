"""No answer of a hub makes a run big or endless, and a limit that is used up is believed."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import subprocess
import sys

import pytest
from aiohttp import web
from scripted import scripted

from hubferry.errors import BusyError, HubferryError, NetworkError, UnlistableError
from hubferry.hubs import entries_found, open_destination, open_source
from hubferry.hubs.http import client as http_client
from hubferry.hubs.http import unpacking
from hubferry.hubs.http.answers import LARGEST_ANSWER, LARGEST_LISTING
from hubferry.hubs.http.client import HubClient, Request
from hubferry.hubs.huggingface import listing as huggingface_listing
from hubferry.hubs.huggingface import wire as huggingface_wire
from hubferry.hubs.modelscope import wire as modelscope_wire
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.patience import Account, Clock, Policy
from hubferry.retry import RetryingSource

HF, MS = RepoRef("hf", "org/model"), RepoRef("ms", "org/model")
COMMIT = "a" * 40
PINNED = Revision(HF, COMMIT)
MIB = 1 << 20


def pages(page):
    """Serve a listing of which `page` makes each page, by its number, and says which one follows."""

    async def answer(request):
        if "/tree/" not in request.path:
            return web.json_response({"sha": COMMIT})
        number = int(request.query.get("cursor", 1))
        entries, following = page(number)
        headers = {}
        if following is not None:
            headers["Link"] = f'<{request.url.with_query(cursor=str(following))}>; rel="next"'
        return web.json_response(entries, headers=headers)

    return answer


def file(path, size=1):
    return {"type": "file", "path": path, "size": size, "oid": "e" * 40}


async def listed(page):
    async with scripted(pages(page)) as server:
        source = open_source(HF, token="t", endpoint=server.url)
        try:
            return await source.files(PINNED), server
        finally:
            await source.close()


# ---------------------------------------------------------------------------------------------- pages


async def test_a_listing_is_read_to_its_last_page():
    files, server = await listed(lambda number: ([file(f"f{number}")], number + 1 if number < 40 else None))
    assert len(files) == 40
    assert len(server.seen) == 40


@pytest.mark.parametrize(
    "page",
    [
        lambda _number: ([file("a")], 1),
        lambda number: ([file("a")], 3 - number),
        lambda number: ([file(f"f{number}")], number % 7 + 1),
    ],
    ids=["to itself", "back and forth", "in a circle"],
)
async def test_pages_that_lead_back_are_an_error_at_once(page):
    with pytest.raises(NetworkError, match="never ends"):
        await listed(page)


async def test_pages_that_bring_nothing_new_are_not_followed_for_ever():
    asked = itertools.count()

    def repeats(number):
        next(asked)
        return [file("a"), {"type": "directory", "path": "d"}], number + 1

    with pytest.raises(UnlistableError, match="never ends"):
        await listed(repeats)
    assert next(asked) < 30


async def test_an_empty_page_in_the_middle_is_no_end():
    files, _server = await listed(
        lambda number: ([file(f"f{number}")] if number % 5 == 0 else [], number + 1 if number < 50 else None)
    )
    assert len(files) == 10


@pytest.mark.parametrize("kind", ["file", "directory"])
async def test_pages_without_end_are_bounded_by_their_entries(monkeypatch, kind):
    monkeypatch.setattr(huggingface_listing, "MOST_FILES", 200)
    asked = []

    def endless(number):
        asked.append(number)
        return [file(f"p{number}/{n}") | {"type": kind} for n in range(30)], number + 1

    with pytest.raises(UnlistableError, match="never ends"):
        await listed(endless)
    assert len(asked) == 200 // 30 + 1


async def test_names_that_are_long_without_end_are_bounded_by_their_bytes():
    found = entries_found.EntriesFound("org/model", "source", most=1000)

    def add_all():
        for number in range(1000):
            found.add(RepoFile(f"{number}/{'x' * 1000}", 1))

    with pytest.raises(UnlistableError):
        add_all()
    assert found.count < 300


def test_an_entry_costs_little():
    script = """
import resource
from hubferry.hubs.entries_found import EntriesFound
from hubferry.model import RepoFile
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = EntriesFound("m", "source")
for number in range(20_000):
    found.add(RepoFile(f"folder/{number:06}.bin", number))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 // 20_000)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 600


async def test_a_listing_of_models_in_pages_is_read_to_its_total():
    entries = [{"Path": f"f{number:03}", "Type": "blob", "Size": 1} for number in range(45)]

    async def handler(request):
        number = int(request.query.get("PageNumber", 1))
        data = {"Files": entries[(number - 1) * 20 : number * 20], "TotalCount": 45}
        return web.json_response({"Code": 200, "Success": True, "Data": data})

    async with scripted(handler) as server:
        source = open_source(MS, token="t", endpoint=server.url)
        revision = await source.resolve(MS)
        assert len(await source.files(revision)) == 45
        await source.close()
        assert len(server.asked("/repo/files")) == 3


async def test_a_listing_of_models_that_ends_before_its_total_is_an_error():
    async def handler(_request):
        data = {"Files": [{"Path": "f", "Type": "blob", "Size": 1}], "TotalCount": 2}
        return web.json_response({"Code": 200, "Success": True, "Data": data})

    async with scripted(handler) as server:
        source = open_source(MS, token="t", endpoint=server.url)
        with pytest.raises(NetworkError, match="listed 1 entries of org/model, which has 2"):
            await source.resolve(MS)
        await source.close()


# ---------------------------------------------------------------------------------- bodies, unpacked too


def bomb(size):
    return gzip.compress(b"[" + bytes(size) + b"]", 1)


@pytest.mark.parametrize(("ref", "wire"), [(HF, huggingface_wire), (MS, modelscope_wire)])
async def test_an_answer_that_unpacks_to_more_than_any_listing_has_is_an_error(monkeypatch, ref, wire):
    assert wire.LARGEST_LISTING == LARGEST_LISTING == 128 * MIB
    monkeypatch.setattr(wire, "LARGEST_LISTING", 2 * MIB)
    body = bomb(240 * MIB // 16)
    unpacked = []
    honest = unpacking.Unpacker.feed

    def counted(self, piece):
        for part in honest(self, piece):
            unpacked.append(len(part))
            yield part

    monkeypatch.setattr(unpacking.Unpacker, "feed", counted)

    async def packed(_request):
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with scripted(packed) as server:
        source = open_source(ref, token="t", endpoint=server.url)
        with pytest.raises(NetworkError, match="answered with more than 2 MiB"):
            await source.resolve(ref)
        await source.close()
    assert sum(unpacked) <= 2 * 3 * MIB, "the listing and the record, neither unpacked beyond its bound"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_an_ordinary_answer_may_have_less_than_a_listing(encoding):
    body = bomb(LARGEST_ANSWER) if encoding == "gzip" else bytes(LARGEST_ANSWER + 1)

    async def large(_request):
        return web.Response(body=body, headers={"Content-Encoding": encoding})

    async with scripted(large) as server:
        client = HubClient(server.url, None, side="source", login=lambda _token: {})
        with pytest.raises(NetworkError, match="answered with more than 16 MiB"):
            await client.ask(Request("GET", server.url, {}))
        await client.close()


async def test_what_never_ends_to_be_nested_or_named_is_no_listing():
    for body in (b"[" * MIB, b'{"a":' * MIB, b"[" + b"[]," * (2 * MIB) + b"[]]"):

        async def odd(_request, body=body):
            return web.Response(body=body, content_type="application/json")

        async with scripted(odd) as server:
            for ref in (HF, MS):
                source = open_source(ref, token="t", endpoint=server.url)
                with pytest.raises(NetworkError):
                    await source.resolve(ref)
                await source.close()


@pytest.mark.parametrize("size", [10**30, -1, 1e999, True, "7", None, [7]])
async def test_a_size_that_is_no_size_is_not_known(size):
    tree = [{"type": "file", "path": "a", "size": size if size != 1e999 else "@"}]

    async def answer(request):
        if request.method == "HEAD":
            return web.Response(status=404)
        body = web.json_response(tree).text.replace('"@"', "1e999")
        return web.Response(text=body, content_type="application/json")

    async with scripted(answer) as server:
        source = open_source(HF, token="t", endpoint=server.url)
        try:
            (found,) = await source.files(PINNED)
        except HubferryError:
            found = None
        await source.close()
    assert found is None or found.size is None or found.size in (10**30, 1)


# ------------------------------------------------------------------- a limit that is used up beforehand


def limited(window, *, after):
    """A hub that says with its answer number `after` that it takes no more, for so many seconds."""
    asked = []

    async def answer(request):
        asked.append(request.path)
        headers = {"RateLimit": f'"resolvers";r={0 if len(asked) == after else 50};t={window}'}
        return web.Response(body=b"x", headers=headers)

    return answer, asked


@pytest.mark.parametrize("dialect", ["hf", "ms"])
async def test_a_limit_that_is_used_up_is_believed_and_all_wait_for_its_window_together(monkeypatch, dialect):
    answer, asked = limited(200, after=3)
    ref, slept, waits = RepoRef(dialect, "org/model"), [], []
    monkeypatch.setattr(http_client, "monotonic", lambda: sum(slept))

    async def sleep(seconds):
        slept.append(seconds)
        assert len(asked) in {3, 4, 5, 6, 7}
        await asyncio.sleep(0)

    clock = Clock(now=lambda: sum(slept), sleep=sleep)
    async with scripted(answer) as server:
        source = RetryingSource(
            open_source(ref, token="t", endpoint=server.url), Account(Policy(), clock), waits.append
        )
        revision = Revision(ref, COMMIT)
        for number in range(3):
            await source.whole(revision, RepoFile(f"f{number}", 1))
        assert slept == []
        await asyncio.gather(*(source.whole(revision, RepoFile(f"g{number}", 1)) for number in range(5)))
        await source.close()
    assert len(asked) == 8, "what would have been refused was not sent"
    assert sum(slept) >= 200
    assert waits
    assert all(one.kind == "limited" and "takes no more requests for now" in one.reason for one in waits)


async def test_a_window_beyond_the_patience_ends_the_run_with_the_time_to_come_again():
    answer, asked = limited(4000, after=1)
    async with scripted(answer) as server:
        source = RetryingSource(open_source(HF, token="t", endpoint=server.url), Account(Policy()))
        await source.whole(PINNED, RepoFile("a", 1))
        with pytest.raises(BusyError) as caught:
            await source.whole(PINNED, RepoFile("b", 1))
        await source.close()
    assert len(asked) == 1
    assert "Come again after" in caught.value.hint


async def test_what_a_storage_elsewhere_says_of_its_limit_is_no_limit_of_the_hub():
    async def storage(_request):
        return web.Response(body=b"x", headers={"RateLimit": '"x";r=0;t=300'})

    async with scripted(storage) as elsewhere:

        async def hub(_request):
            raise web.HTTPFound(f"{elsewhere.url}/blob")

        async with scripted(hub) as server:
            source = open_source(HF, token="t", endpoint=server.url)
            for name in "abc":
                assert await source.whole(PINNED, RepoFile(name, 1)) == b"x"
            await source.close()


async def test_a_destination_whose_limit_is_used_up_is_sent_nothing():
    async def answer(_request):
        return web.json_response(
            {"Code": 200, "Data": {"objects": []}}, headers={"RateLimit": '"api";r=0;t=300'}
        )

    async with scripted(answer) as server:
        destination = open_destination(MS, token="t", endpoint=server.url)
        assert await destination.missing(MS, []) == frozenset()
        await destination._wire.get(MS, server.url)
        with pytest.raises(BusyError) as caught:
            await destination.commit(MS, [], "message")
        await destination.close()
        assert len(server.seen) == 1
    assert 290 < caught.value.retry_after <= 300
