"""Many clients, one fetch; parts as they land; what breaks on the way."""

from __future__ import annotations

import asyncio
import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from mirroring import ask, running_mirror
from servers import running_hub

from hubferry.mirror import arrival, clients, quota
from hubferry.serve import Seams

LARGE = random.Random("mirror many 1").randbytes(6_000_000)
PATH = "/org/model/resolve/main/model.safetensors"


class Gate:
    """Lets so many bytes of upstream's bodies pass, and holds the rest back until it is opened."""

    def __init__(self, allowed: int) -> None:
        self._left = allowed
        self._open = threading.Event()

    async def __call__(self, _request, direction, count) -> None:
        if direction == "in":
            return
        self._left -= count
        while self._left < 0 and not self._open.is_set():
            await asyncio.to_thread(self._open.wait, 0.05)

    def open(self) -> None:
        self._open.set()


def test_however_many_ask_it_is_fetched_once(upstream, mirror):
    upstream.store.add("org/model", {"model.safetensors": LARGE, "config.json": b"{}"})
    with ThreadPoolExecutor(50) as clients:
        bodies = list(clients.map(lambda _number: ask(mirror.url + PATH).body, range(50)))
        small = f"{mirror.url}/org/model/resolve/main/config.json"
        texts = list(clients.map(lambda _number: ask(small).body, range(50)))
    assert all(body == LARGE for body in bodies)
    assert all(text == b"{}" for text in texts)
    assert mirror.counts.fetched == len(LARGE) + 2
    assert upstream.requests.count("hf:info") == 1
    assert upstream.requests.count("hf:tree") == 1


@pytest.mark.parametrize(("limit", "count"), [("_QUESTIONS", 2), ("_MOST", 1)])
def test_a_question_that_is_under_way_is_answered_whatever_else_is_asked_meanwhile(
    limit, count, tmp_path, make_mirror, monkeypatch
):
    monkeypatch.setattr(clients, limit, count)
    asked, answered = threading.Event(), threading.Event()

    @web.middleware
    async def slow(request, handler):
        if request.path == "/api/models/org/slow":
            asked.set()
            await asyncio.to_thread(answered.wait, 20)
        return await handler(request)

    with running_hub(tmp_path / "hub", seams=Seams(middlewares=[slow])) as upstream:
        for name in ("slow", "one", "two"):
            upstream.store.add(f"org/{name}", {"config.json": b"{}"})
        mirror = make_mirror(hf=upstream.url)
        with ThreadPoolExecutor(1) as client:
            waiting = client.submit(ask, f"{mirror.url}/api/models/org/slow")
            try:
                assert asked.wait(20)
                for name, status in (("one", 200), ("two", 200), ("nothing", 404)):
                    assert ask(f"{mirror.url}/api/models/org/{name}", token="hf_x").status == status
            finally:
                answered.set()
            assert waiting.result(30).status == 200


def test_what_is_read_goes_on_while_its_source_is_made_anew_and_that_is_closed_then(
    tmp_path, make_mirror, monkeypatch
):
    monkeypatch.setattr(clients, "_READS", 1)
    made, make = [], clients.Clients._source

    def note(upstream, who):
        made.append(make(upstream, who))
        return made[-1]

    monkeypatch.setattr(clients.Clients, "_source", staticmethod(note))
    gate = Gate(2_000_000)

    async def pace(request, direction, count):
        if request.path.startswith("/storage/"):
            await gate(request, direction, count)

    with running_hub(tmp_path / "hub", seams=Seams(pace=pace)) as upstream:
        small = {f"{number}.json": b"%d" % number for number in range(3)}
        upstream.store.add("org/model", {"model.safetensors": LARGE, **small})
        mirror = make_mirror(hf=upstream.url)
        connection, response = opened(mirror.url, PATH)
        assert response.read(100_000) == LARGE[:100_000]
        for name, content in small.items():
            assert ask(mirror.url + PATH.replace("model.safetensors", name)).body == content
        gate.open()
        assert response.read() == LARGE[100_000:]
        connection.close()
        mirror.settle()
        assert mirror.counts.fetched == len(LARGE) + 3  # nothing broke off and came again
        assert len(made) == 5
        assert [one._client._pool is None for one in made].count(False) == 2


def opened(url: str, path: str, **headers):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection, connection.getresponse()


def test_a_client_reads_what_has_come_before_the_rest_has(tmp_path, make_mirror):
    gate = Gate(2_000_000)
    with running_hub(tmp_path / "hub", seams=Seams(pace=gate)) as upstream:
        upstream.store.add("org/model", {"model.safetensors": LARGE})
        mirror = make_mirror(hf=upstream.url)
        connection, response = opened(mirror.url, PATH)
        assert response.read(200_000) == LARGE[:200_000]
        gate.open()
        assert response.read() == LARGE[200_000:]
        connection.close()


def test_a_part_in_the_middle_is_fetched_first_and_alone(tmp_path, make_mirror, upstream):
    size = 40_000_000
    content = random.Random("mirror many 2").randbytes(size)
    upstream.store.add("org/model", {"model.safetensors": content})
    mirror = make_mirror(hf=upstream.url)
    answer = ask(mirror.url + PATH, Range="bytes=30000000-30000099")
    assert answer.status == 206
    assert answer.body == content[30_000_000:30_000_100]
    assert answer.headers["Content-Range"] == f"bytes 30000000-30000099/{size}"
    mirror.settle()
    assert mirror.counts.fetched < 5_000_000


def test_a_client_that_leaves_does_not_stop_what_the_cache_wants(tmp_path, make_mirror, monkeypatch):
    monkeypatch.setattr(arrival, "_LANES", 2)  # most of it is yet to be asked for when the client leaves
    gate, content = Gate(1_500_000), LARGE * 3
    with running_hub(tmp_path / "hub", seams=Seams(pace=gate)) as upstream:
        upstream.store.add("org/model", {"model.safetensors": content})
        mirror = make_mirror(hf=upstream.url)
        connection, response = opened(mirror.url, PATH)
        response.read(100_000)
        connection.close()
        gate.open()
        mirror.settle()
        assert ask(mirror.url + PATH).body == content
        assert mirror.counts.hits == 1
        assert mirror.counts.fetched == len(content)


def test_a_file_that_does_not_fit_beside_what_is_on_its_way_is_refused(tmp_path, make_mirror, monkeypatch):
    """The disk has room for each of them, and not for both."""
    monkeypatch.setattr(quota, "free_bytes", lambda _root: quota._SPARE + len(LARGE) + 1_000_000)
    gate = Gate(2_000_000)
    with running_hub(tmp_path / "hub", seams=Seams(pace=gate)) as upstream:
        upstream.store.add("org/model", {"model.safetensors": LARGE})
        upstream.store.add("org/other", {"model.safetensors": LARGE[::-1]})
        mirror = make_mirror(hf=upstream.url)
        connection, response = opened(mirror.url, PATH)
        assert response.read(100_000) == LARGE[:100_000]
        other = PATH.replace("org/model", "org/other")
        assert ask(mirror.url + other).status == 507
        gate.open()
        assert response.read() == LARGE[100_000:]
        connection.close()
        mirror.settle()
        assert ask(mirror.url + other).body == LARGE[::-1]


def test_a_file_that_is_half_here_needs_room_for_its_other_half_alone(tmp_path, monkeypatch):
    gate, places = Gate(4_000_000), (tmp_path / "cache", tmp_path / "own")
    with running_hub(tmp_path / "hub", seams=Seams(pace=gate)) as upstream:
        upstream.store.add("org/model", {"model.safetensors": LARGE})
        with running_mirror(*places, hf=upstream.url) as mirror:
            connection, response = opened(mirror.url, PATH)
            assert response.read(100_000) == LARGE[:100_000]
            while mirror.counts.fetched < 3_500_000:
                time.sleep(0.01)
            connection.close()
        gate.open()
        monkeypatch.setattr(quota, "free_bytes", lambda _root: quota._SPARE + 5_500_000)
        with running_mirror(*places, hf=upstream.url) as mirror:
            assert ask(mirror.url + PATH).body == LARGE


def test_headers_are_those_of_the_hub(upstream, mirror):
    commit = upstream.store.add("org/model", {"model.safetensors": LARGE, "config.json": b"{}"}).id
    theirs = ask(f"{upstream.url}{PATH}", method="HEAD")
    ours = ask(f"{mirror.url}{PATH}", method="HEAD")
    for name in (
        "X-Linked-Size",
        "X-Linked-Etag",
        "X-Repo-Commit",
        "Accept-Ranges",
        "Content-Length",
        "ETag",
    ):
        assert ours.headers.get(name) == theirs.headers.get(name), name
    assert ours.headers["X-Repo-Commit"] == commit
    assert "X-Xet-Hash" not in ours.headers
    assert mirror.counts.fetched == 0
    assert ask(f"{mirror.url}{PATH}", If_None_Match=ours.headers["ETag"]).status == 304
    part = ask(f"{mirror.url}{PATH}", Range="bytes=1-3", If_Range='"another"')
    assert part.status == 200
    assert ask(f"{mirror.url}{PATH}", Range=f"bytes={len(LARGE)}-").status == 416
    missing = ask(f"{mirror.url}/org/model/resolve/main/nothing.txt")
    assert (missing.status, missing.headers["X-Error-Code"]) == (404, "EntryNotFound")
    missing = ask(f"{mirror.url}/org/model/resolve/nothing/config.json", token="hf_x")
    assert (missing.status, missing.headers["X-Error-Code"]) == (404, "RevisionNotFound")
    missing = ask(f"{mirror.url}/org/nothing/resolve/main/config.json", token="hf_x")
    assert (missing.status, missing.headers["X-Error-Code"]) == (404, "RepoNotFound")


class Tamper:
    """An upstream that changes a byte of each body, until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    async def change(self, request, handler):
        response = await handler(request)
        if self.mended or not request.path.startswith("/storage/") or request.method != "GET":
            return response
        content = bytearray(response.path.read_bytes()[response.start : response.stop])
        content[len(content) // 2] ^= 255
        headers = {
            name: response.headers[name] for name in ("ETag", "Content-Range") if name in response.headers
        }
        return web.Response(status=response.status, body=bytes(content), headers=headers)


@pytest.fixture
def rotten(tmp_path):
    tamper = Tamper()

    @web.middleware
    async def change(request, handler):
        return await tamper.change(request, handler)

    with running_hub(tmp_path / "hub", seams=Seams(middlewares=[change])) as upstream:
        upstream.store.add("org/model", {"model.safetensors": LARGE})
        yield upstream, tamper


def test_no_client_completes_a_wrong_file_and_none_goes_on_in_its_middle(rotten, make_mirror):
    upstream, tamper = rotten
    mirror = make_mirror(hf=upstream.url)
    connection, response = opened(mirror.url, PATH)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()
    mirror.settle()
    tamper.mended = True
    on = {"Range": "bytes=5000000-"}
    again = ask(mirror.url + PATH, User_Agent="unknown/; hf_hub/2.4.0", **on)
    assert (again.status, again.body) == (200, LARGE)  # going on in the middle would keep the wrong half
    mirror.settle()
    assert ask(mirror.url + PATH, **on).status == 412
    assert ask(mirror.url + PATH, User_Agent="curl/8", **on).status == 200
    assert ask(mirror.url + PATH, Range="bytes=0-99").status == 206
    assert ask(mirror.url + PATH).body == LARGE
    somebody_else = {"X-Forwarded-For": "192.0.2.7"}
    assert ask(mirror.url + PATH, **on, **somebody_else).status == 206


def test_the_doubt_outlives_the_process(rotten, make_mirror):
    upstream, tamper = rotten
    mirror = make_mirror(hf=upstream.url)
    connection, response = opened(mirror.url, PATH)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()
    mirror.settle()
    tamper.mended = True
    other = make_mirror(hf=upstream.url)
    assert ask(other.url + PATH, Range="bytes=5000000-").status == 412


class Breaks:
    """An upstream that breaks some of its bodies off."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.broken = 0

    async def __call__(self, request, direction, _count) -> None:
        if direction == "out" and self._chance.random() < 0.03:
            self.broken += 1
            request.transport.abort()
            raise ConnectionResetError


def test_a_broken_upstream_is_gone_on_with_at_the_byte(tmp_path, make_mirror):
    breaks = Breaks(1)
    with running_hub(tmp_path / "hub", seams=Seams(pace=breaks)) as upstream:
        upstream.store.add("org/model", {"model.safetensors": LARGE})
        mirror = make_mirror(hf=upstream.url)
        assert ask(mirror.url + PATH).body == LARGE
        assert breaks.broken
        assert mirror.counts.fetched == len(LARGE)
