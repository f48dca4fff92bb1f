"""Spans of files: sent by the system, or encrypted in a thread; given up as cleanly as any other body."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

import pytest
from lines import HEAD, fetched, get, pool, talking, until

from hubferry.hubs.http import uploads
from hubferry.hubs.http.client import HubClient
from hubferry.model import Span
from hubferry.wire import encrypted, files
from hubferry.wire.connection import Buffers, Connection
from hubferry.wire.failures import CertificateError
from hubferry.wire.place import Place
from hubferry.wire.proxies import Proxy

OK = HEAD + b"ok"
CONTENT = random.Random("wire files 1").randbytes(1 << 20) * 9
pytestmark = pytest.mark.skipif(not files.POSSIBLE, reason="this system sends no files by itself")


@pytest.fixture
def descriptor(tmp_path):
    place = tmp_path / "content"
    place.write_bytes(CONTENT)
    opened = os.open(place, os.O_RDWR)
    yield opened
    os.close(opened)


@pytest.fixture(params=["plain", "encrypted"])
def speaking(request, certificate, monkeypatch):
    """Run a server as `talking` does, with or without TLS; its `place` says which."""
    if request.param == "plain":
        return talking
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    @contextlib.asynccontextmanager
    async def speak(talk):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        async with talking(talk, ssl=context) as server:
            server.scheme = "https"
            yield server

    return speak


@pytest.fixture(autouse=True)
def every_socket_is_closed():
    before = sockets()
    yield
    assert sockets() <= before


def sockets():
    """The sockets that this process holds, where the system can tell."""
    place = Path("/proc/self/fd")
    found = set()
    for one in place.iterdir() if place.is_dir() else ():
        with contextlib.suppress(OSError):
            found.add((one.name, str(one.readlink())))
    return {one for one in found if one[1].startswith("socket:")}


async def each(*parts):
    for part in parts:
        yield part


def put(*parts, size=None, **more):
    length = {"Content-Length": str(sum(map(len, parts)) if size is None else size)}
    return get(method="PUT", body=each(*parts), headers=length, **more)


def storing(stored):
    async def talk(line):
        while head := await line.asked():
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            stored.append(await line.reader.readexactly(size))
            await line.say(OK)

    return talk


def test_a_slice_of_a_span_is_a_span():
    span = Span(7, 100, 200)
    assert len(span) == 100
    assert (span[10:30], span[90:], span[:5]) == (Span(7, 110, 130), Span(7, 190, 200), Span(7, 100, 105))
    assert (len(span[200:300]), len(span[30:10])) == (0, 0)


async def test_spans_arrive_exactly_and_the_connection_serves_again(descriptor, speaking):
    stored, size = [], len(CONTENT)
    async with speaking(storing(stored)) as server, pool() as ours:
        for _number in range(2):
            whole = [Span(descriptor, 0, 70_000), Span(descriptor, 70_000, size)]
            assert await fetched(ours, server.place, put(*whole)) == (200, b"ok")
        mixed = [memoryview(b"first"), Span(descriptor, 5, 300_000), Span(descriptor, 300_000, size)]
        assert await fetched(ours, server.place, put(*mixed)) == (200, b"ok")
        assert server.connections == 1
    assert stored == [CONTENT, CONTENT, b"first" + CONTENT[5:]]


async def test_what_is_still_in_the_transport_goes_first(descriptor):
    left, right = socket.socketpair()

    class Busy:
        """A transport whose own bytes leave it when it is looked at for the third time."""

        looks = 0

        def get_write_buffer_size(self):
            self.looks += 1
            if self.looks == 3:
                left.send(b"first ")
            return 6 if self.looks < 3 else 0

        def is_closing(self):
            return False

        def get_extra_info(self, _name):
            return left

    with left, right:
        left.setblocking(False)
        out, transport = files.Way(), Busy()
        await out.send(transport, Span(descriptor, 0, 9))
        transport.looks = 0
        await out.send(transport, Span(descriptor, 9, 12))
        await out.aclose()
        assert right.recv(99) == b"first " + CONTENT[:9] + b"first " + CONTENT[9:12]


async def test_bytes_and_spans_keep_their_order_when_the_other_side_is_slow(descriptor, speaking):
    stored = []

    async def talk(line):
        await line.asked()
        await asyncio.sleep(0.3)  # until then both ends' buffers fill up
        stored.append(await line.reader.readexactly(len(expected)))
        await line.say(OK)

    ranges = [(start, start + 40_000) for start in range(0, len(CONTENT) - 40_000, 40_000)]
    expected = CONTENT[: ranges[-1][1]]
    parts = [memoryview(CONTENT[a:b]) if a % 80_000 else Span(descriptor, a, b) for a, b in ranges]
    async with speaking(talk) as server, pool() as ours:
        assert await fetched(ours, server.place, put(*parts)) == (200, b"ok")
    assert stored == [expected]


async def test_a_file_that_ends_early_breaks_the_request_off(descriptor, speaking):
    got = []

    async def talk(line):
        await line.asked()
        got.append(await line.reader.read())

    os.ftruncate(descriptor, 1000)
    async with speaking(talk) as server, pool() as ours:
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            await fetched(ours, server.place, put(Span(descriptor, 0, 5000)))
        await until(lambda: got)
    assert len(got) == 1
    assert CONTENT[:1000].startswith(got[0])


async def test_a_server_that_goes_away_in_the_middle_is_a_broken_connection(descriptor, speaking):
    async def talk(line):
        await line.asked()
        await line.reader.read(1)

    async with speaking(talk) as server, pool() as ours:
        with pytest.raises(ConnectionError):
            await fetched(ours, server.place, put(Span(descriptor, 0, len(CONTENT)), size=1 << 30))


async def test_an_answer_that_comes_before_the_file_was_sent_ends_the_sending(descriptor, speaking):
    async def talk(line):
        await line.asked()
        await line.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await line.gone()

    async with speaking(talk) as server, pool() as ours:
        again = [Span(descriptor, 0, len(CONTENT))] * 100
        assert await fetched(ours, server.place, put(*again)) == (413, b"no")


async def test_a_cancelled_upload_sends_no_more_and_closes(descriptor, speaking):
    taken = bytearray()

    async def talk(line):
        await line.asked()
        await asyncio.sleep(0.3)
        while piece := await line.reader.read(1 << 20):
            taken.extend(piece)

    async with speaking(talk) as server, pool() as ours:
        request = put(*[Span(descriptor, 0, len(CONTENT))] * 100)
        asking = asyncio.create_task(fetched(ours, server.place, request))
        await asyncio.sleep(0.1)  # the server takes nothing, so the sending waits for the socket
        asking.cancel()
        done, _pending = await asyncio.wait({asking}, timeout=2)
        assert done
        await asyncio.sleep(0.5)
    assert len(taken) < 100 * len(CONTENT)


async def test_a_fast_upload_leaves_the_loop_to_others(descriptor):
    """What the other side takes at once would otherwise be sent in one turn of the loop."""
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        draining = asyncio.create_task(asyncio.to_thread(drain, right, 3 << 20))
        await files.Sender(left.fileno()).send(Span(descriptor, 0, 3 << 20))
        assert await draining == CONTENT[: 3 << 20]
    counting.cancel()
    assert turns > 3


def drain(end, size):
    got = bytearray()
    while len(got) < size:
        got += end.recv(1 << 20)
    return bytes(got)


# what is not in memory


@pytest.fixture
def brought(monkeypatch):
    """The ranges that were read in a thread, because sending them would have waited for the disk."""
    ranges, bring = [], files._bring

    def noted(descriptor, start, stop):
        ranges.append((start, stop))
        bring(descriptor, start, stop)

    monkeypatch.setattr(files, "_bring", noted)
    return ranges


async def sent_through(span):
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        draining = asyncio.create_task(asyncio.to_thread(drain, right, len(span)))
        await files.Sender(left.fileno()).send(span)
        return await draining


@pytest.mark.skipif(not files._NOW_OR_NOT, reason="this system cannot tell")
async def test_what_the_disk_would_have_to_bring_first_is_read_in_a_thread(brought):
    size = len(CONTENT)
    # where other temporary files may be in memory, these are on a disk
    with tempfile.TemporaryFile(dir="/var/tmp") as kept:
        kept.write(CONTENT)
        kept.flush()
        descriptor = kept.fileno()
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if files._at_hand(descriptor, size - 1) is not False:
            pytest.skip("this filesystem is all in memory, or cannot tell")
        assert await sent_through(Span(descriptor, 0, size)) == CONTENT
        assert brought
        assert all(stop - start <= 1 << 20 for start, stop in brought)
        brought.clear()
        assert await sent_through(Span(descriptor, 0, size)) == CONTENT
        assert not brought


@pytest.mark.parametrize("system", ["has no such question", "has no answer for this filesystem"])
@pytest.mark.parametrize(("seconds", "wary"), [(0.0, True), (60.0, False)])
async def test_where_nobody_can_tell_a_call_that_took_long_makes_wary(
    descriptor, brought, monkeypatch, system, seconds, wary
):
    def cannot_tell(*_arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(files, "_NOW_OR_NOT", 0 if system == "has no such question" else 8)
    monkeypatch.setattr(os, "preadv", cannot_tell)
    monkeypatch.setattr(files, "_LONG_SECONDS", seconds)
    assert await sent_through(Span(descriptor, 5, 3 << 20)) == CONTENT[5 : 3 << 20]
    assert bool(brought) == wary
    assert all(start > 5 for start, _stop in brought)


async def test_who_has_become_wary_stays_so(descriptor, brought, monkeypatch):
    calls, send = 0, os.sendfile

    def slow_once(*arguments):
        nonlocal calls
        calls += 1
        time.sleep(0.02 if calls == 1 else 0)
        return send(*arguments)

    monkeypatch.setattr(files, "_NOW_OR_NOT", 0)
    monkeypatch.setattr(os, "sendfile", slow_once)
    assert await sent_through(Span(descriptor, 0, 4 << 20)) == CONTENT[: 4 << 20]
    assert calls > 2
    assert len(brought) == calls - 1


# who may send spans


class Body:
    def __call__(self):
        return each(b"bytes")

    def spans(self):
        return each("spans")


@pytest.mark.parametrize(
    ("url", "proxy", "expected"),
    [
        ("http://127.0.0.1:1/a", None, "spans"),
        ("https://storage.example/a", None, "spans"),
        ("https://storage.example/a", "http://proxy.example:3128", b"bytes"),
    ],
)
async def test_spans_are_for_connections_that_nothing_stands_before(monkeypatch, url, proxy, expected):
    if proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    client = HubClient("http://127.0.0.1:1", None, side="destination", login=lambda _token: {})
    assert [piece async for piece in uploads.started(client, url, Body())] == [expected]
    assert [piece async for piece in uploads.started(client, url, lambda: each(b"only bytes"))] == [
        b"only bytes"
    ]


async def test_a_system_without_the_call_reads_files_itself(monkeypatch):
    monkeypatch.setattr(files, "POSSIBLE", False)
    client = HubClient("http://127.0.0.1:1", None, side="destination", login=lambda _token: {})
    assert [piece async for piece in uploads.started(client, "http://127.0.0.1:1/a", Body())] == [b"bytes"]


def test_a_proxy_that_is_spoken_to_in_secret_takes_no_spans():
    plain, secret = Proxy("http", "proxy", 1), Proxy("https", "proxy", 1)
    assert Place("http", "hub", 80, plain).plain
    assert not Place("http", "hub", 80, secret).plain
    assert not Place("https", "hub", 443, plain).plain


async def test_a_destination_that_takes_no_more_of_a_file_is_given_up(descriptor, monkeypatch, speaking):
    monkeypatch.setenv("HUBFERRY_TIMEOUT", "0.3")

    async def talk(line):
        await line.asked()
        await asyncio.sleep(30)

    async with speaking(talk) as server:
        client = HubClient(server.url, None, side="destination", login=lambda _token: {})
        endless = each(*[Span(descriptor, 0, len(CONTENT))] * 10)
        with pytest.raises(uploads.NetworkError, match="stopped taking"):
            await uploads.put(client, server.url + "/blob", endless, 10 * len(CONTENT))
        await client.close()


# in a thread, where it is encrypted


async def test_what_is_encrypted_is_read_and_sent_past_the_loop(descriptor, certificate, monkeypatch):
    threads, read = set(), encrypted._from_file

    def noted(*arguments):
        threads.add(threading.get_ident())
        return read(*arguments)

    monkeypatch.setattr(encrypted, "_from_file", noted)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context, stored = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(certificate)
    async with talking(storing(stored), ssl=context) as server, pool() as ours:
        place = Place("https", "127.0.0.1", server.port)
        assert await fetched(ours, place, put(Span(descriptor, 7, len(CONTENT)))) == (200, b"ok")
        assert await fetched(ours, place, put(memoryview(CONTENT))) == (200, b"ok")
        assert server.connections == 1
    assert stored == [CONTENT[7:], CONTENT]
    assert threads
    assert threading.get_ident() not in threads


async def test_a_certificate_is_not_believed_the_less_for_being_looked_at_by_us(descriptor, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with talking(storing([]), ssl=context) as server, pool() as ours:
        with pytest.raises(CertificateError):
            await fetched(ours, Place("https", "127.0.0.1", server.port), put(Span(descriptor, 0, 9)))


async def test_a_body_that_is_given_up_is_let_go_of_before_the_request_returns(
    descriptor, certificate, monkeypatch
):
    """The file may be closed, and its number be another's, as soon as the request is over."""
    inside, over, read, too_late = threading.Event(), threading.Event(), encrypted._from_file, []

    def slowly(*arguments):
        inside.set()
        too_late.append(over.wait(0.3))
        return read(*arguments)

    monkeypatch.setattr(encrypted, "_from_file", slowly)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with talking(storing([]), ssl=context) as server, pool() as ours:
        place = Place("https", "127.0.0.1", server.port)
        asking = asyncio.create_task(fetched(ours, place, put(Span(descriptor, 0, len(CONTENT)))))
        await asyncio.to_thread(inside.wait)
        for _again in range(3):
            asking.cancel()
            await asyncio.sleep(0)
        done, _pending = await asyncio.wait({asking}, timeout=5)
        over.set()
        assert done
    await asyncio.get_running_loop().shutdown_default_executor()
    assert too_late == [False]


async def test_a_body_that_waits_for_room_leaves_the_number_of_its_closed_connection_to_the_next(
    certificate, monkeypatch
):
    """The next connection may get the same number before the body hears that its own is gone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with talking(lambda line: line.gone(), ssl=context) as server:
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.setblocking(False)
        believing = ssl.create_default_context(cafile=certificate)
        connection = Connection(Buffers(), lambda _connection: None)
        transport = await encrypted.encrypted(raw, believing, "127.0.0.1", connection)
        loop, number = asyncio.get_running_loop(), transport.get_extra_info("socket").fileno()
        writers, waiting = {}, asyncio.Event()

        def add_writer(at, call, *_rest):
            writers[at] = call
            waiting.set()

        monkeypatch.setattr(loop, "add_writer", add_writer)
        monkeypatch.setattr(loop, "remove_writer", lambda at: writers.pop(at, None))
        monkeypatch.setattr(transport, "_push", lambda _piece, _start: 0)
        sending = asyncio.create_task(transport.send(memoryview(b"body")))
        await waiting.wait()
        transport.abort()
        writers[number] = "the next connection's"
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await connection.lost
        assert writers == {number: "the next connection's"}
