"""Addresses of IPv6, hosts with several addresses, names that nobody knows."""

from __future__ import annotations

import asyncio
import socket

import pytest
from asking import asking, failing, tls
from lines import HEAD, answering, fetched, pool, talking
from proxying import Socks

from hubferry.errors import NetworkError
from hubferry.hubs.http.client import Request
from hubferry.wire import opening
from hubferry.wire.failures import (
    EncryptionError,
    ProxyRefusedError,
    UnknownHostError,
)
from hubferry.wire.place import Place
from hubferry.wire.proxies import Proxy

OK = HEAD + b"ok"


@pytest.mark.usefixtures("six", "trusted")
async def test_an_address_of_ipv6_is_asked_as_it_is_written(certificates):
    async with talking(answering(OK), host="::1") as hub, asking(f"http://[::1]:{hub.port}") as ours:
        assert (await ours.ask(Request("GET", ours.endpoint + "/a", {}))).body == b"ok"
        assert f"Host: [::1]:{hub.port}\r\n".encode() in hub.heads[0]
    good = tls(certificates / "good.pem")
    async with (
        talking(answering(OK), host="::1", ssl=good) as hub,
        asking(f"https://[::1]:{hub.port}") as ours,
    ):
        assert (await ours.ask(Request("GET", ours.endpoint + "/a", {}))).body == b"ok"


@pytest.mark.usefixtures("six")
async def test_a_host_that_answers_at_one_of_its_two_kinds_of_address_is_reached(monkeypatch):
    for host in ("127.0.0.1", "::1"):
        async with talking(answering(OK), host=host) as hub, pool() as ours:

            async def lookup(_host, port):
                kind = (socket.SOCK_STREAM, 6, "")
                return [
                    (socket.AF_INET6, *kind, ("::1", port, 0, 0)),
                    (socket.AF_INET, *kind, ("127.0.0.1", port)),
                ]

            monkeypatch.setattr(opening, "_lookup", lookup)
            assert await fetched(ours, Place("http", "hub.example", hub.port)) == (200, b"ok")


async def test_an_address_of_ipv6_is_named_to_proxies_as_each_kind_wants_it():
    async with talking(answering(OK)) as hub:
        socks = Socks(hub.port)
        async with talking(socks.talk) as proxy, pool() as ours:
            for kind in ("socks5", "socks5h"):
                way = Proxy(kind, "127.0.0.1", proxy.port)
                assert await fetched(ours, Place("http", "2001:db8::7", 81, way)) == (200, b"ok")
            with pytest.raises(UnknownHostError):
                await fetched(
                    ours, Place("http", "2001:db8::7", 81, Proxy("socks4", "127.0.0.1", proxy.port))
                )
        assert socks.asked == ["2001:db8::7:81"] * 2
    said = b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"
    async with talking(answering(said)) as proxy, pool() as ours:
        with pytest.raises(ProxyRefusedError):
            await fetched(ours, Place("https", "2001:db8::7", 443, Proxy("http", "127.0.0.1", proxy.port)))
        assert proxy.heads[0].startswith(b"CONNECT [2001:db8::7]:443 HTTP/1.1\r\n")


async def test_a_name_that_nobody_knows_is_told_apart_from_one_that_cannot_be_looked_up(monkeypatch):
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        name = "x" * 64
        monkeypatch.setenv(variable, f"https://{name}/")
        error = await failing(f"https://{name}")
        assert error.message == f"{name}: the host's name is not known"
        assert variable in error.hint
        assert (error.kind, error.doubtful) == ("refused", True)
        monkeypatch.delenv(variable)

    async def no_server(*_args, **_options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with asking("https://hub.invalid") as ours:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_server, raising=False)
        with pytest.raises(NetworkError) as failed:
            await ours.ask(Request("GET", "https://hub.invalid/", {}))
    assert "cannot be looked up" in failed.value.message
    assert (failed.value.kind, failed.value.doubtful) == ("refused", False)


async def test_nobody_listening_is_refused_and_not_silent(closed_port):
    error = await failing(f"http://127.0.0.1:{closed_port}")
    assert error.kind == "refused"


async def test_a_host_that_speaks_no_tls_may_be_somebodys_mistake():
    async def plain(line):
        await line.reader.read(1)
        await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with talking(plain) as hub:
        error = await failing(f"https://127.0.0.1:{hub.port}")
        assert error.doubtful
        assert "no encrypted connection" in error.message
        async with pool() as ours:
            with pytest.raises(EncryptionError):
                await fetched(ours, Place("https", "127.0.0.1", hub.port))
