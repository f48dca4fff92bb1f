"""The embedded hub among clients that dawdle, and bodies that break the rules: none of them holds it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import shutil
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from huggingface_hub import HfApi
from modelscope_hub import HubApi
from yarl import URL

from hubferry.serve import Seams, ServerLimits
from hubferry.serve.taking import Watch

if TYPE_CHECKING:
    from servers import TestHub

WEIGHTS = random.Random("serve slow 1").randbytes(8 << 20)
IDLE, BUSY, DOWNLOADERS = 500, 50, 50
SECONDS = 30


@pytest.fixture
def hub(make_hub) -> TestHub:
    running = make_hub(limits=ServerLimits(idle_seconds=0.2))
    running.store.add("org/model", {"README.md": b"hello", "w.safetensors": WEIGHTS})
    return running


async def opened(hub, **options):
    return await asyncio.open_connection("127.0.0.1", URL(hub.url).port, **options)


async def answer_to(hub, *parts: bytes) -> bytes:
    reader, writer = await opened(hub)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.05 if part is not parts[-1] else 0)  # so that they arrive one by one
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    writer.close()
    return answer


def head(hub, line: str, *lines: str) -> bytes:
    known = [
        f"{line} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {hub.token}",
        "Connection: close",
        *lines,
    ]
    return "\r\n".join(known).encode() + b"\r\n\r\n"


async def test_500_idle_connections_and_50_that_take_nothing_leave_50_busy_ones_their_speed(make_hub):
    hub = make_hub()  # as patient as one of real life
    hub.store.add("org/model", {"README.md": b"hello", "w.safetensors": WEIGHTS})
    small = head(hub, "GET /org/model/resolve/main/README.md")

    async def busy(times: int) -> float:
        """Return what it costs in work: how long it takes depends on what else this machine does."""
        start = time.process_time()

        async def client() -> None:
            for _request in range(times):
                assert (await answer_to(hub, small)).endswith(b"hello")

        await asyncio.wait_for(asyncio.gather(*(client() for _client in range(BUSY))), SECONDS)
        return time.process_time() - start

    alone = await busy(4)
    redirect = (await answer_to(hub, head(hub, "GET /org/model/resolve/main/w.safetensors"))).decode()
    address = URL(redirect.partition("Location: ")[2].partition("\r\n")[0]).raw_path_qs
    waiting = [await opened(hub) for _client in range(IDLE)]
    for _reader, writer in waiting[: IDLE // 2]:
        writer.write(b"PUT /storage/x HTTP/1.1\r\nHost: localhost\r\nContent-Le")
    slow = [await opened(hub, limit=1) for _client in range(DOWNLOADERS)]
    for _reader, writer in slow:
        writer.write(head(hub, f"GET {address}"))
    assert await busy(4) < max(10 * alone, 5)
    for _reader, writer in waiting + slow:
        writer.transport.abort()


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /org/mod", b"PUT /storage/x HTTP/1.1\r\nHost: localhost\r\nContent-Le"],
    ids=["nothing", "half-a-line", "half-a-head"],
)
async def test_who_does_not_end_a_request_is_let_go(hub, start):
    reader, writer = await opened(hub)
    writer.write(start)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer
    writer.close()


CREATE = json.dumps({"name": "org/new"}).encode()


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n" + CREATE, b"-5\r\nhello\r\n", b"5\r\nhelloxx\r\n0\r\n\r\n", b"5;" + b"x" * 40_000],
    ids=["no-number", "negative", "longer-than-it-says", "long-extension"],
)
@pytest.mark.parametrize("path", ["/api/repos/create", "/api/v1/models", "/api/models/org/model/commit/main"])
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
async def test_chunks_against_the_rules_are_refused(hub, path, body, late, caplog):
    start = head(hub, f"POST {path}", "Transfer-Encoding: chunked")
    answer = await answer_to(hub, start, body) if late else await answer_to(hub, start + body)
    assert answer.split(b" ", 2)[1] in {b"400", b"408"}, answer[:200]
    assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "nonsense"])
async def test_a_compressed_body_is_not_unpacked(hub, encoding):
    """Otherwise a few kilobytes would become gigabytes."""
    bomb = gzip.compress(b" " * (64 << 20) + CREATE, compresslevel=9)
    lines = (f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}")
    answer = await answer_to(hub, head(hub, "POST /api/repos/create", *lines) + bomb)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]


async def test_a_head_that_cannot_be_read_is_refused_and_is_no_fault_of_the_hub(hub, caplog):
    for line in ("GET / HTTP/9.9", "GET", "\x00", "GET / HTTP/1.1\r\nContent-Length: -1"):
        answer = await answer_to(hub, line.encode() + b"\r\n\r\n")
        assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 ")), (line, answer[:100])
    assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text


@pytest.mark.parametrize(
    "lines",
    [["X: " + "x" * 40_000], [f"X-{number}: x" for number in range(200)], ["Cookie: " + "a=b; " * 9_000]],
    ids=["one-long", "many", "cookies"],
)
async def test_heads_that_are_too_large_are_refused(hub, lines):
    answer = await answer_to(hub, head(hub, "GET /api/models/org/model", *lines))
    assert answer.split(b" ", 2)[1] in {b"400", b"431"}, answer[:100]


@pytest.mark.parametrize("path", ["/api/repos/create", "/api/v1/models", "/api/v1/login"])
async def test_a_body_that_does_not_say_its_length_is_read_no_further_than_the_limit(make_hub, path):
    hub = make_hub(limits=ServerLimits(json_bytes=1_000))
    chunks = b"".join(b"64\r\n" + b" " * 100 + b"\r\n" for _chunk in range(20)) + b"0\r\n\r\n"
    answer = await answer_to(hub, head(hub, f"POST {path}", "Transfer-Encoding: chunked") + chunks)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]


async def test_who_takes_nothing_of_a_large_answer_is_let_go(make_hub):
    """It is in memory for as long as somebody is waited for."""
    transports = []

    @web.middleware
    async def answer(request, handler):
        del handler
        transports.append(request.transport)
        return web.Response(body=bytes(32 << 20))

    hub = make_hub(limits=ServerLimits(idle_seconds=0.2), seams=Seams(middlewares=[answer]))
    _reader, writer = await opened(hub, limit=1)
    writer.write(head(hub, "GET /large"))
    for _look in range(2_000):
        if transports and transports[0].is_closing():
            break
        await asyncio.sleep(0.01)
    assert transports[0].is_closing()
    writer.transport.abort()


@pytest.mark.parametrize(
    ("left", "let_go"), [([500, 300, 299, 100, 100], True), ([500, 300, 0, 0, 0, None], False)]
)
async def test_who_takes_a_large_answer_slowly_is_let_take_it(left, let_go):
    ended, looks = asyncio.Event(), iter(left)
    transport = SimpleNamespace(
        get_write_buffer_size=lambda: sizes[-1], is_closing=lambda: False, abort=ended.set
    )
    sizes = []

    def is_over() -> bool:
        sizes.append(next(looks))
        if sizes[-1] is None:
            ended.set()
        return sizes[-1] is None

    Watch(transport, is_over, 0.001)
    await asyncio.wait_for(ended.wait(), SECONDS)
    assert sizes == left
    assert (sizes[-1] is not None) == let_go


def test_nobody_else_waits_while_the_hub_waits_for_the_disk(hub, monkeypatch):
    """Whatever is written, removed or put on the disk is so off the event loop."""
    threads: dict[str, set[str]] = {}

    def watch(owner, name: str) -> None:
        original = getattr(owner, name)

        def watched(*words, **named):
            threads.setdefault(name, set()).add(threading.current_thread().name)
            return original(*words, **named)

        monkeypatch.setattr(owner, name, watched)

    watch(os, "fsync")
    watch(shutil, "rmtree")
    api, ms = HfApi(hub.url, token=hub.token), HubApi(token=hub.token, endpoint=hub.url)
    api.create_repo("org/one")
    api.update_repo_settings("org/one", private=True)
    api.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="org/one")
    api.create_branch("org/one", branch="next")
    api.create_tag("org/one", tag="v1")
    api.delete_tag("org/one", tag="v1")
    api.delete_branch("org/one", branch="next")
    number = api.create_discussion("org/one", title="t").num
    api.comment_discussion("org/one", discussion_num=number, comment="c")
    api.super_squash_history("org/one")
    api.move_repo("org/one", "org/two")
    api.delete_repo("org/two")
    ms.create_repo("org/three", "dataset")
    ms.create_repo("org/four", "model")
    ms.upload_file("org/four", "model", path_or_fileobj=b"a", path_in_repo="a.txt")
    assert threads["fsync"]
    assert threads["rmtree"]
    assert "hub" not in threads["fsync"] | threads["rmtree"]
