"""The embedded hub among strangers: strange requests, many connections; and the seams for tests."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import string
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers import running_hub
from yarl import URL

from hubferry.serve import Seams, Store, create_application
from hubferry.wire import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import TestHub

WEIGHTS = random.Random("serve hardening 1").randbytes(1_000_000)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[TestHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        running.store.add("org/model", {"README.md": b"hello", "w.safetensors": WEIGHTS})
        running.store.add("gpt2", {"a.txt": b"x"})
        yield running


def routes() -> list[tuple[str, str]]:
    application = create_application(Store.__new__(Store))
    return [
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
    ]


WORDS = ["org/model", "gpt2", "org/nothing", "main", "master", "README.md", "w.safetensors", "models"]
TRICKS = ["..", "%2e%2e", "%00", "%2F", "a%0ab", "-", "~", "😀", "refs%2Fpr%2F1", "f" * 64]
NUMBERS = ["", "-1", "0", "99999999999999999999", "٣", "\0", "nan"]
CONDITIONS = [
    "bytes=0-",
    "bytes=99999999999999999999-",
    "*",
    'W/"x"',
    "Bearer",
    "Bearer x",
    "m_session_id=x",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/json; charset=nope",
    "evil.example",
]
FIELDS = tuple(
    """name organization type private files path size sample objects oid operation actions action
    commit_message content encoding sha256 tag TagName Ref Name Path Visibility License paths expand gated
    AccessToken key value summary startingPoint ProtectedMode""".split()  # noqa: SIM905  # a column of words
)
PARAMETERS = tuple(
    """Revision FilePath Root Recursive PageNumber PageSize cursor limit recursive blobs expires signature
    size search create_pr page_number page_size""".split()  # noqa: SIM905  # a column of words
)
HEADS = ("Range", "If-Range", "If-None-Match", "Authorization", "Cookie", "Content-Type", "Origin", "Host")

SEGMENT = st.one_of(
    st.sampled_from([*WORDS, *TRICKS]),
    st.text(st.characters(codec="utf-8", exclude_characters="/?#"), min_size=1, max_size=20),
)
VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(WORDS),
)
JSON = st.recursive(
    VALUE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=12,
)
QUERY = st.dictionaries(
    st.sampled_from(PARAMETERS),
    st.one_of(st.sampled_from([*WORDS, *NUMBERS]), st.text(max_size=10)),
    max_size=4,
)
HEADERS = st.dictionaries(
    st.sampled_from(HEADS),
    st.one_of(
        st.sampled_from(CONDITIONS),
        st.text(string.ascii_letters + string.digits + '=-,;"/ ', max_size=30),
    ),
    max_size=3,
)
BODY = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.lists(JSON, max_size=3).map(lambda lines: "\n".join(map(json.dumps, lines)).encode()),
    st.binary(max_size=50),
)


@st.composite
def wishes(draw):
    method, pattern = draw(st.sampled_from(routes()))
    if draw(st.booleans()):
        path = "/".join(draw(SEGMENT) if part.startswith("{") else part for part in pattern.split("/"))
    else:
        path = "/" + "/".join(draw(st.lists(SEGMENT, max_size=6)))
    return method, path, draw(QUERY), draw(HEADERS), draw(BODY)


@pytest.fixture(scope="module")
def ask(shared):
    """Send any request over one kept connection, and return the status."""
    loop = asyncio.new_event_loop()

    async def opened() -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=20)
        return aiohttp.ClientSession(timeout=timeout, skip_auto_headers=["Content-Type"])

    session = loop.run_until_complete(opened())

    async def asked(method, path, query, headers, body) -> int:
        address = (
            URL(shared.url).with_path(path, encoded=all("!" <= c <= "~" for c in path)).with_query(query)
        )
        known = {"Authorization": f"Bearer {shared.token}"} | headers
        async with session.request(
            method, address, headers=known, data=body, allow_redirects=False
        ) as answer:
            await answer.read()
            return answer.status

    yield lambda *wish: loop.run_until_complete(asked(*wish))
    loop.run_until_complete(session.close())
    loop.close()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(wish=wishes())
@example(wish=("DELETE", "/api/models/org/model/tag/a%0ab", {}, {}, b""))
@example(wish=("PUT", "/storage/" + "f" * 64, {"expires": "nan", "size": "-1"}, {}, b""))
def test_no_request_whatever_makes_it_fail(ask, wish):
    assert ask(*wish) < 500


def test_every_route_of_both_dialects_is_fuzzed():
    paths = {pattern for _method, pattern in routes()}
    assert len(paths) > 35
    assert any(path.startswith("/api/v1/") for path in paths)
    assert "/storage/{sha256}" in paths


async def until(true) -> None:
    for _ in range(2_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def status_of(address: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        await answer.read()
        return answer.status


async def test_idle_connections_do_not_keep_the_busy_ones_waiting(shared):
    port = URL(shared.url).port
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(250)]
    half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(250)]
    for _reader, writer in half:
        writer.write(b"PUT /storage/x HTTP/1.1\r\nHost: localhost\r\nContent-Le")
    connector = aiohttp.TCPConnector(limit=50)
    async with aiohttp.ClientSession(shared.url, connector=connector) as busy:

        async def fetch(number: int) -> None:
            path = "w.safetensors" if number % 10 == 0 else "README.md"
            async with busy.get(f"/org/model/resolve/main/{path}") as answer:
                content = await answer.read()
            assert hashlib.sha256(content).digest() == hashlib.sha256(
                WEIGHTS if path == "w.safetensors" else b"hello"
            ).digest()  # fmt: skip

        await asyncio.gather(*map(fetch, range(300)))
    for _reader, writer in idle + half:
        writer.close()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(shared):
    port = URL(shared.url).port
    content = random.Random("serve hardening 2").randbytes(300_000)
    sha256 = hashlib.sha256(content).hexdigest()
    headers = {"Authorization": f"Bearer {shared.token}"}
    wish = {"operation": "upload", "objects": [{"oid": sha256, "size": len(content)}]}
    question = f"{shared.url}/org/model.git/info/lfs/objects/batch"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(question, json=wish) as answer:
        address = URL((await answer.json())["objects"][0]["actions"]["upload"]["href"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"PUT {address.raw_path_qs} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content[:100_000])
    await writer.drain()
    incoming = shared.store.root / "incoming"
    await until(lambda: list(incoming.iterdir()))
    writer.close()
    await until(lambda: not list(incoming.iterdir()))
    assert shared.store.blobs.size(sha256) is None
    del reader


async def test_a_downloader_that_takes_nothing_is_let_go(make_hub):
    from hubferry.serve import ServerLimits

    hub = make_hub(limits=ServerLimits(idle_seconds=0.3))
    hub.store.add("org/model", {"config.json": random.Random("serve hardening 3").randbytes(64 << 20)})
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(hub.url).port, limit=1)
    writer.write(b"GET /org/model/resolve/main/config.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.sleep(1.5)  # longer than the hub waits, while nothing is read here
    received = 0
    while True:
        try:
            block = await asyncio.wait_for(reader.read(1 << 20), 10)
        except ConnectionError:
            break
        if not block:
            break
        received += len(block)
    assert received < 64 << 20
    writer.close()


async def test_where_the_kernel_cannot_send_files_they_are_sent_all_the_same(shared, monkeypatch):
    monkeypatch.setattr(files, "POSSIBLE", False)
    async with aiohttp.ClientSession(shared.url) as session:
        for headers, expected in (({}, WEIGHTS), ({"Range": "bytes=5-700000"}, WEIGHTS[5:700_001])):
            async with session.get("/org/model/resolve/main/w.safetensors", headers=headers) as answer:
                assert await answer.read() == expected


class TestLog:
    async def test_what_a_client_does_wrong_is_not_logged_since_it_may_hold_a_token(self, shared, caplog):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(shared.url).port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer canary\x00\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
        assert "canary" not in caplog.text


class TestSeams:
    async def test_a_middleware_sees_every_request_and_may_answer_itself(self, make_hub):
        seen = []

        @web.middleware
        async def busy(request, handler):
            seen.append(request.path)
            if request.path.startswith("/storage/"):
                return web.Response(status=503, headers={"Retry-After": "1"})
            return await handler(request)

        hub = make_hub(seams=Seams(middlewares=[busy]))
        hub.store.add("org/model", {"w.safetensors": WEIGHTS})
        assert await status_of(f"{hub.url}/org/model/resolve/main/w.safetensors") == 503
        assert len(seen) == 2

    async def test_a_pace_is_asked_before_every_block_and_may_break_the_link(self, make_hub):
        moved = {"in": 0, "out": 0}

        async def pace(_request, direction, count):
            moved[direction] += count
            if moved["out"] > 500_000:
                raise ConnectionResetError("broken on purpose")

        hub = make_hub(seams=Seams(pace=pace))
        hub.store.add("org/model", {"w.safetensors": WEIGHTS})
        with pytest.raises(aiohttp.ClientPayloadError):
            await status_of(f"{hub.url}/org/model/resolve/main/w.safetensors")
        assert 500_000 < moved["out"] < 600_000

    async def test_a_record_tells_route_status_and_bytes(self, shared):
        shared.requests.clear()
        await status_of(f"{shared.url}/org/model/resolve/main/w.safetensors")
        first, second = shared.requests.records
        assert (first.route, first.status, first.received) == ("hf:resolve", 302, 0)
        assert (second.route, second.status) == ("storage:get", 200)
        assert 1_000_000 < second.sent < 1_002_000
