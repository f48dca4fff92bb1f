"""Opening, keeping, losing and giving up connections, directly and through proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from base64 import b64encode

import pytest
from lines import HEAD, answering, fetched, get, pool, talking, until
from proxying import connecting

from hubferry.wire import opening as module
from hubferry.wire.connection import Connection
from hubferry.wire.failures import (
    AddressError,
    BrokenOffError,
    CertificateError,
    EncryptionError,
    ProxyRefusedError,
    UnknownHostError,
    UnreachableError,
)
from hubferry.wire.place import Place
from hubferry.wire.proxies import Proxy, proxy_for

OK = HEAD + b"ok"


async def test_a_request_is_sent_again_when_its_resting_connection_had_been_closed():
    async with talking(answering(OK, times=1)) as server, pool() as ours:
        assert await fetched(ours, server.place) == (200, b"ok")
        assert await fetched(ours, server.place) == (200, b"ok")
        assert server.connections == 2


def once_then_hanging_up():
    async def talk(line):
        await line.asked()
        await line.say(OK)
        await line.asked()  # and no answer

    return talk


async def test_a_read_that_a_used_connection_swallows_is_sent_once_more_a_write_is_not():
    async with talking(once_then_hanging_up()) as server, pool() as ours:
        await fetched(ours, server.place)
        assert await fetched(ours, server.place) == (200, b"ok")
        assert server.connections == 2
        with pytest.raises(BrokenOffError):
            await fetched(ours, server.place, get(method="POST", body=b"x"))
        assert server.connections == 2


async def test_a_fresh_connection_that_ends_without_an_answer_is_an_error_at_once():
    async with talking(answering(b"", times=1)) as server, pool() as ours:
        with pytest.raises(BrokenOffError):
            await fetched(ours, server.place)
        assert server.connections == 1


async def test_a_connection_that_says_something_while_it_rests_is_given_up():
    async def talk(line):
        await line.asked()
        await line.say(OK, b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await line.gone()

    async with talking(talk) as server, pool() as ours:
        await fetched(ours, server.place)
        await until(lambda: not ours._all)
        assert await fetched(ours, server.place) == (200, b"ok")
        assert server.connections == 2


async def test_a_connection_that_rested_too_long_is_not_used_again():
    async with talking(answering(OK)) as server, pool(kept_seconds=0.2) as ours:
        await fetched(ours, server.place)
        await asyncio.sleep(0.4)
        await fetched(ours, server.place)
        assert server.connections == 2


async def test_no_more_connections_are_at_work_than_allowed():
    now = most = 0
    busy = asyncio.Event()

    async def talk(line):
        nonlocal now, most
        while await line.asked():
            now += 1
            most = max(most, now)
            if now == 3:
                busy.set()
            await busy.wait()
            await line.say(OK)
            now -= 1

    async with talking(talk) as server, pool(limit=3) as ours:
        answers = await asyncio.gather(*(fetched(ours, server.place) for _number in range(20)))
        assert answers == [(200, b"ok")] * 20
        assert most == server.connections == 3


async def test_a_server_that_says_nothing_is_given_up_after_a_while():
    async with talking(answering([])) as server, pool() as ours:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await fetched(ours, server.place, get(silence=0.3))
        assert 0.25 < time.monotonic() - started < 30


async def test_a_body_that_stops_in_the_middle_is_given_up_after_a_while():
    async with talking(answering(HEAD + b"o")) as server, pool() as ours:
        with pytest.raises(TimeoutError):
            await fetched(ours, server.place, get(silence=0.3))


async def test_whoever_takes_his_time_with_a_body_is_not_taken_for_a_silent_server():
    size = 8 << 20
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    async with talking(answering(head + b"x" * size)) as server, pool() as ours:
        got = 0
        async with ours.exchange(server.place, get(silence=0.2), "url") as answer:
            async for piece in answer.pieces():
                got += len(piece)
                await asyncio.sleep(0.15 if got < size / 2 else 0)
        assert got == size


async def test_nobody_listening_is_said_so_with_the_reason():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with pool() as ours:
        with pytest.raises(UnreachableError) as refused:
            await fetched(ours, Place("http", "127.0.0.1", port))
        assert refused.value.strerror


async def test_a_name_that_nobody_knows_is_said_so_each_time():
    async with pool() as ours:
        for _number in range(2):
            with pytest.raises(UnknownHostError):
                await fetched(ours, Place("http", "no-such-host.invalid", 80))


async def test_a_host_with_several_addresses_is_reached_at_the_one_that_answers(monkeypatch):
    async with talking(answering(OK)) as server, pool() as ours:

        async def addresses(_host, port):
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(module, "_lookup", addresses)
        assert await fetched(ours, Place("http", "hub.example", server.port)) == (200, b"ok")
        assert server.connections == 1


async def test_an_opening_that_takes_too_long_is_given_up():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = Place("http", "127.0.0.1", full.getsockname()[1])
        others = []
        for _number in range(3):  # the queue of a listener that takes nobody fills up
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", place.port))
            others.append(other)
        await asyncio.sleep(0.1)
        async with pool(connect_seconds=0.3) as ours:
            with pytest.raises(TimeoutError):
                await fetched(ours, place)
        for other in others:
            other.close()


async def test_a_cancelled_request_ends_whatever_it_was_waiting_for():
    async with talking(answering([])) as server, pool() as ours:
        for pause in (0, 0, 0.001, 0.002, 0.005, 0.05):
            asking = asyncio.create_task(fetched(ours, server.place))
            await asyncio.sleep(pause)
            asking.cancel()
            done, _pending = await asyncio.wait({asking}, timeout=2)
            assert done
            assert asking.cancelled()


async def test_whoever_is_cancelled_while_a_connection_is_given_back_leaves_no_place_taken(monkeypatch):
    async def cancelled(_connection):
        raise asyncio.CancelledError

    async with (
        talking(answering([HEAD + b"{}"])) as server,
        pool() as ours,
    ):
        monkeypatch.setattr(Connection, "release", cancelled)
        with pytest.raises(asyncio.CancelledError):
            await fetched(ours, server.place)
        assert not ours._all
        assert not any(ours._idle.values())


# uploads


async def pieces(*parts):
    for part in parts:
        yield memoryview(part)


def storing(stored):
    async def talk(line):
        while head := await line.asked():
            await store(line, head)

    async def store(line, head):
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        stored.append(await line.reader.readexactly(size))
        await line.say(OK)

    return talk


async def test_a_body_arrives_exactly_however_it_is_cut():
    stored, content = [], bytes(range(256)) * 8192
    async with talking(storing(stored)) as server, pool() as ours:
        length = {"Content-Length": str(len(content))}
        cut = pieces(content[:7], content[7:300_000], content[300_000:])
        assert await fetched(ours, server.place, get(method="PUT", body=cut, headers=length)) == (200, b"ok")
        whole = get(method="PUT", body=content, headers=length)
        assert await fetched(ours, server.place, whole) == (200, b"ok")
    assert stored == [content, content]


async def test_what_a_body_raises_comes_out_and_the_request_is_broken_off():
    got = []

    async def talk(line):
        await line.asked()
        got.append(await line.reader.read(1))
        got.append(await line.gone())

    async def bad():
        yield memoryview(b"x")
        raise KeyError("mine")

    async with talking(talk) as server, pool() as ours:
        length = {"Content-Length": "9"}
        with pytest.raises(KeyError, match="mine"):
            await fetched(ours, server.place, get(method="PUT", body=bad(), headers=length))
        await until(lambda: len(got) == 2)
        assert got == [b"x", True]


async def test_an_answer_that_comes_before_the_body_was_sent_ends_the_sending():
    sent = 0

    async def talk(line):
        await line.asked()
        await line.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await line.gone()

    async def endless():
        nonlocal sent
        while True:
            sent += 1
            yield memoryview(bytes(65_536))

    async with talking(talk) as server, pool() as ours:
        request = get(method="PUT", body=endless(), headers={"Content-Length": str(1 << 40)})
        assert await fetched(ours, server.place, request) == (413, b"no")
        before = sent
        await asyncio.sleep(0.1)
        assert sent == before


async def test_a_server_that_is_silent_while_a_body_is_sent_is_not_given_up():
    async def slow():
        for _number in range(5):
            await asyncio.sleep(0.1)
            yield memoryview(b"x")

    stored = []
    async with talking(storing(stored)) as server, pool() as ours:
        request = get(method="PUT", body=slow(), headers={"Content-Length": "5"}, silence=0.25)
        assert await fetched(ours, server.place, request) == (200, b"ok")
    assert stored == [b"xxxxx"]


# encrypted


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_an_encrypted_connection_moves_bytes_both_ways(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    stored, content = [], bytes(range(256)) * 16_384
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    async with talking(answering(head + content), ssl=tls(certificate)) as server, pool() as ours:
        place = Place("https", "127.0.0.1", server.port)
        for _number in range(2):
            assert await fetched(ours, place) == (200, content)
        assert server.connections == 1
    async with talking(storing(stored), ssl=tls(certificate)) as server, pool() as ours:
        place = Place("https", "localhost", server.port)
        length = {"Content-Length": str(len(content))}
        body = pieces(content[:999], content[999:])
        assert await fetched(ours, place, get(method="PUT", body=body, headers=length)) == (200, b"ok")
    assert stored == [content]


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    async with talking(answering(OK), ssl=tls(certificate)) as server, pool() as ours:
        with pytest.raises(CertificateError):
            await fetched(ours, Place("https", "127.0.0.1", server.port))


async def test_a_certificate_of_another_host_is_refused(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with talking(answering(OK), host="127.0.0.2", ssl=tls(certificate)) as server, pool() as ours:
        with pytest.raises(CertificateError):
            await fetched(ours, Place("https", "127.0.0.2", server.port))


async def test_a_server_that_speaks_no_tls_is_refused():
    async def talk(line):
        await line.reader.read(1)
        await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with talking(talk) as server, pool() as ours:
        with pytest.raises((EncryptionError, UnreachableError)):
            await fetched(ours, Place("https", "127.0.0.1", server.port))


# proxies


async def test_a_tunnel_through_a_proxy_is_encrypted_to_the_host_itself(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asked, content = [], b"x" * 3_000_000
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + content
    async with (
        talking(answering(said), ssl=tls(certificate)) as hub,
        talking(connecting(hub.port, asked)) as proxy,
        pool() as ours,
    ):
        place = Place("https", "localhost", hub.port, Proxy("http", "127.0.0.1", proxy.port, "x", "y"))
        for _number in range(2):
            assert await fetched(ours, place) == (200, content)
        assert len(asked) == 1
        assert asked[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % hub.port)
        assert b"Proxy-Authorization: Basic eDp5\r\n" in asked[0]


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_named_with_its_status(status):
    said = b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status
    async with talking(answering(said)) as proxy, pool() as ours:
        with pytest.raises(ProxyRefusedError) as refused:
            await fetched(ours, Place("https", "hub.example", 443, Proxy("http", "127.0.0.1", proxy.port)))
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("named", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("http://proxy.example", Proxy("http", "proxy.example", 80)),
        ("https://proxy.example", Proxy("https", "proxy.example", 443)),
        (
            "http://me:p%40ss@proxy.example",
            Proxy("http", "proxy.example", 80, "me", "p@ss"),
        ),
    ],
)
def test_the_environment_names_the_proxy(monkeypatch, named, proxy):
    monkeypatch.setenv("https_proxy", named)
    assert proxy_for("https", "hub.example") == proxy
    assert proxy_for("http", "hub.example") is None


def test_the_environment_names_hosts_that_are_asked_directly(monkeypatch):
    monkeypatch.setenv("all_proxy", "http://proxy.example:1")
    monkeypatch.setenv("no_proxy", "hub.example")
    assert proxy_for("https", "hub.example") is None
    assert proxy_for("https", "other.example") == Proxy("http", "proxy.example", 1)


@pytest.mark.parametrize("named", ["ftp://proxy.example:1080", "http://"])
def test_a_proxy_of_another_kind_is_refused(monkeypatch, named):
    monkeypatch.setenv("https_proxy", named)
    with pytest.raises(AddressError):
        proxy_for("https", "hub.example")


def test_a_password_of_a_proxy_is_not_shown():
    proxy = Proxy("http", "host", 1, "me", "secret")
    assert "secret" not in f"{proxy!r} {proxy}"
    assert proxy.headers == {"Proxy-Authorization": "Basic " + b64encode(b"me:secret").decode()}
