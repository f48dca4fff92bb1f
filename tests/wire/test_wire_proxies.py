"""The ways to a host through proxies of every kind, with names looked up here or there, and what is told."""

from __future__ import annotations

import socket
from base64 import b64encode

import pytest
from asking import asking, everything, failing, tls
from lines import HEAD, answering, fetched, get, pool, talking
from proxying import Socks, connecting

from hubferry.errors import NetworkError, ProxyError
from hubferry.hubs.http.client import Request
from hubferry.i18n import set_language
from hubferry.wire import opening
from hubferry.wire.failures import (
    BrokenOffError,
    CertificateError,
    OpeningTimedOutError,
    ProxyRefusedError,
    UnknownHostError,
)
from hubferry.wire.place import Place
from hubferry.wire.proxies import Proxy

OK = HEAD + b"ok"
SECRET = "p@ss:w/ord"
WRITTEN = "p%40ss%3Aw%2Ford"


# SOCKS


@pytest.mark.parametrize("kind", ["socks4a", "socks5h"])
async def test_a_proxy_that_looks_names_up_leads_to_a_host_that_nobody_here_knows(kind):
    async with talking(answering(OK)) as hub:
        socks = Socks(hub.port)
        async with talking(socks.talk) as proxy, pool() as ours:
            way = Proxy(kind, "127.0.0.1", proxy.port)
            for _number in range(2):
                assert await fetched(ours, Place("http", "hub.invalid", 81, way)) == (200, b"ok")
            assert proxy.connections == 1
        assert socks.asked == ["hub.invalid:81"]


@pytest.mark.parametrize("kind", ["socks4", "socks5"])
async def test_a_proxy_that_does_not_is_told_the_address_that_was_found_here(kind, monkeypatch):
    async def addresses(_host, port):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]

    async with talking(answering(OK)) as hub:
        socks = Socks(hub.port)
        async with talking(socks.talk) as proxy, pool() as ours:
            way = Proxy(kind, "127.0.0.1", proxy.port)
            assert await fetched(ours, Place("http", "127.0.0.1", 81, way)) == (200, b"ok")
            found = opening._lookup

            async def lookup(host, port):
                return await (addresses if host == "hub.example" else found)(host, port)

            monkeypatch.setattr(opening, "_lookup", lookup)
            assert await fetched(ours, Place("http", "hub.example", 81, way)) == (200, b"ok")
        assert socks.asked == ["127.0.0.1:81", "192.0.2.7:81"]


async def test_a_name_that_is_to_be_looked_up_here_and_is_not_known_is_never_told_to_the_proxy():
    socks = Socks(1)
    async with talking(socks.talk) as proxy, pool() as ours:
        with pytest.raises(UnknownHostError):
            await fetched(ours, Place("http", "x" * 64, 81, Proxy("socks5", "127.0.0.1", proxy.port)))
    assert socks.asked == []


async def test_the_next_address_of_a_host_is_tried_when_the_proxy_does_not_get_to_the_first(monkeypatch):
    found = opening._lookup

    async def lookup(host, port):
        if host != "hub.example":
            return await found(host, port)
        kind = (socket.SOCK_STREAM, 6, "")
        v6 = (socket.AF_INET6, *kind, ("2001:db8::7", port, 0, 0))
        return [v6, (socket.AF_INET, *kind, ("192.0.2.7", port))]

    monkeypatch.setattr(opening, "_lookup", lookup)
    async with talking(answering(OK)) as hub:
        socks = Socks(hub.port, answers=[8])
        async with talking(socks.talk) as proxy, pool() as ours:
            way = Proxy("socks5", "127.0.0.1", proxy.port)
            assert await fetched(ours, Place("http", "hub.example", 81, way)) == (200, b"ok")
        assert socks.asked == ["2001:db8::7:81", "192.0.2.7:81"]
        socks = Socks(hub.port, answers=[2])
        async with talking(socks.talk) as proxy, pool() as ours:
            with pytest.raises(ProxyRefusedError):
                await fetched(
                    ours, Place("http", "hub.example", 81, Proxy("socks5", "127.0.0.1", proxy.port))
                )
        assert socks.asked == ["2001:db8::7:81"]


async def test_a_login_is_told_to_a_socks_proxy_that_asks_for_it(monkeypatch):
    async with talking(answering(OK)) as hub:
        socks = Socks(hub.port, login=("me", SECRET))
        async with talking(socks.talk) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"socks5h://me:{WRITTEN}@127.0.0.1:{proxy.port}")
            async with asking("http://hub.invalid") as ours:
                answer = await ours.ask(Request("GET", "http://hub.invalid/", {}))
        assert answer.body == b"ok"
        assert socks.logins == [("me", SECRET)]


@pytest.mark.usefixtures("trusted")
async def test_what_goes_through_a_socks_proxy_is_encrypted_to_the_host_itself(certificates):
    content = b"x" * 3_000_000
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + content
    async with (
        talking(answering(said), ssl=tls(certificates / "good.pem")) as hub,
        talking(Socks(hub.port).talk) as proxy,
        pool() as ours,
    ):
        way = Proxy("socks5h", "127.0.0.1", proxy.port)
        assert await fetched(ours, Place("https", "hub.invalid", 444, way)) == (200, content)
        with pytest.raises(CertificateError) as other:
            await fetched(ours, Place("https", "other.invalid", 444, way))
        assert other.value.proxy is None  # it is the host's


SAID = {
    ("socks5h", 1): "it failed",
    ("socks5h", 2): "its rules forbid it",
    ("socks5h", 4): "the host cannot be reached from there",
    ("socks5h", 5): "nobody listens there",
    ("socks5h", 8): "it knows no such kind of address",
    ("socks4a", 91): "refused, or failed",
    ("socks4a", 93): "it does not take this user",
}


@pytest.mark.parametrize(("kind", "code"), SAID)
async def test_a_refusal_of_a_socks_proxy_is_named_by_its_code_and_by_what_it_means(monkeypatch, kind, code):
    async with talking(Socks(1, answers=[code]).talk) as proxy:
        monkeypatch.setenv("all_proxy", f"{kind}://me:{WRITTEN}@127.0.0.1:{proxy.port}")
        error = await failing("http://hub.invalid")
    assert error.message.endswith(f"(SOCKS code {code}: {SAID[kind, code]})")
    assert f"hub.invalid, through the proxy {kind}://127.0.0.1:{proxy.port}" in error.message
    assert "all_proxy" in error.hint
    assert error.kind == "refused"
    assert error.retryable is (code in (1, 4, 5, 91))
    assert SECRET not in everything(error)


@pytest.mark.parametrize("named", ["socks5h://me:{}@", "socks5h://"], ids=["wrong", "none"])
async def test_a_socks_proxy_that_does_not_let_us_in_is_not_asked_again(monkeypatch, named):
    async with talking(Socks(1, login=("me", "other")).talk) as proxy:
        monkeypatch.setenv("all_proxy", named.format(WRITTEN) + f"127.0.0.1:{proxy.port}")
        error = await failing("http://hub.invalid")
    assert isinstance(error, ProxyError)
    assert not error.retryable
    assert "wants a user and a password" in error.message
    assert SECRET not in everything(error)


async def test_what_speaks_no_socks_is_a_connection_that_broke_off_at_the_proxy():
    async with talking(answering(OK, times=0)) as proxy, pool() as ours:
        way = Proxy("socks5h", "127.0.0.1", proxy.port, "me", SECRET)
        with pytest.raises(BrokenOffError) as broken:
            await fetched(ours, Place("http", "hub.invalid", 81, way))
    assert broken.value.proxy == way
    assert SECRET not in everything(broken.value)


async def test_a_proxy_that_says_nothing_is_given_up_in_time():
    async def silent(line):
        await line.gone()

    async with talking(silent) as proxy, pool(connect_seconds=0.2) as ours:
        for kind in ("socks4a", "socks5h", "http"):
            way = Proxy(kind, "127.0.0.1", proxy.port)
            with pytest.raises(OpeningTimedOutError) as late:
                await fetched(ours, Place("https", "hub.invalid", 81, way))
            assert late.value.proxy == way


# HTTP


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_spoken_to_encrypted_leads_to_hosts_of_both_kinds(certificates, scheme):
    good, asked, content = tls(certificates / "good.pem"), [], b"x" * 3_000_000
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + content
    options = {"ssl": good} if scheme == "https" else {}
    async with (
        talking(answering(said), **options) as hub,
        talking(connecting(hub.port, asked), ssl=good) as proxy,
        pool() as ours,
    ):
        place = Place(scheme, "hub.invalid", 444, Proxy("https", "localhost", proxy.port, "me", "word"))
        for _number in range(2):
            assert await fetched(ours, place) == (200, content)
        assert proxy.connections == 1
    if scheme == "https":
        assert asked[0].startswith(b"CONNECT hub.invalid:444 HTTP/1.1\r\n")
        assert b"Proxy-Authorization: Basic bWU6d29yZA==\r\n" in asked[0]


@pytest.mark.usefixtures("trusted")
async def test_a_body_is_sent_whole_through_encryption_inside_of_encryption(certificates):
    good, stored, content = tls(certificates / "good.pem"), [], bytes(range(256)) * 8192

    async def storing(line):
        await line.asked()
        stored.append(await line.reader.readexactly(len(content)))
        await line.say(OK)

    async def pieces():
        for at in range(0, len(content), 300_000):
            yield memoryview(content)[at : at + 300_000]

    async with (
        talking(storing, ssl=good) as hub,
        talking(connecting(hub.port, []), ssl=good) as proxy,
        pool() as ours,
    ):
        place = Place("https", "hub.invalid", 444, Proxy("https", "localhost", proxy.port))
        length = {"Content-Length": str(len(content))}
        request = get(method="PUT", body=pieces(), headers=length)
        assert await fetched(ours, place, request) == (200, b"ok")
    assert stored == [content]


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_the_proxy_is_told_apart_from_one_of_the_host(certificates):
    good, bad = tls(certificates / "good.pem"), tls(certificates / "expired.pem")
    for at_proxy, at_host in ((bad, good), (good, bad)):
        async with (
            talking(answering(OK), ssl=at_host) as hub,
            talking(connecting(hub.port, []), ssl=at_proxy) as proxy,
            pool() as ours,
        ):
            way = Proxy("https", "localhost", proxy.port)
            with pytest.raises(CertificateError) as wrong:
                await fetched(ours, Place("https", "hub.invalid", 444, way))
            assert wrong.value.proxy == (way if at_proxy is bad else None)


async def test_a_proxy_that_speaks_no_tls_is_named_as_such(monkeypatch):
    async def plain(line):
        await line.reader.read(1)
        await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with talking(plain) as proxy:
        monkeypatch.setenv("https_proxy", f"https://me:{WRITTEN}@127.0.0.1:{proxy.port}")
        error = await failing("https://hub.invalid")
    assert error.message.startswith(f"the proxy https://127.0.0.1:{proxy.port}: no encrypted connection")
    assert "hub.invalid" not in error.message
    assert SECRET not in everything(error)


@pytest.mark.parametrize("endpoint", ["http://hub.invalid", "https://hub.invalid"])
@pytest.mark.parametrize("status", [403, 407, 502])
async def test_the_password_of_a_proxy_is_sent_to_it_and_shown_to_nobody(monkeypatch, endpoint, status):
    said = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    login = b64encode(f"me:{SECRET}".encode())
    shown = ""
    async with talking(answering(said)) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}")
        if endpoint.startswith("http:") and status != 407:  # what it passes on looks alike
            async with asking(endpoint) as ours:
                assert (await ours.ask(Request("GET", endpoint + "/", {}))).status == status
        else:
            error = await failing(endpoint)
            shown = everything(error)
            assert f"HTTP {status}" in error.message
            assert isinstance(error, ProxyError) is (status < 500)
        assert b"Proxy-Authorization: Basic " + login + b"\r\n" in proxy.heads[0]
    for word in (SECRET, WRITTEN, login.decode()):
        assert word not in shown


async def test_a_proxy_that_wants_a_login_says_so_in_chinese_too(monkeypatch):
    said = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    set_language("zh")
    try:
        async with talking(answering(said)) as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            error = await failing("http://hub.invalid")
    finally:
        set_language(None)
    assert "需要用户名和密码" in error.message


async def test_a_login_for_the_hub_is_not_told_to_the_proxy_of_a_tunnel(monkeypatch):
    async with talking(answering(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with asking("https://hub.invalid", SECRET) as ours:
            with pytest.raises(NetworkError):
                await ours.ask(Request("GET", "https://hub.invalid/x?signed=" + SECRET, {}))
    assert SECRET.encode() not in b"".join(proxy.heads)
    assert proxy.heads[0].startswith(b"CONNECT hub.invalid:443 ")


async def test_a_forwarding_proxy_is_asked_for_the_address_without_a_login_or_fragment(monkeypatch):
    async with talking(answering(OK)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with asking("http://hub.invalid") as ours:
            await ours.ask(Request("GET", "http://me:word@hub.invalid:81/a?b=c#d", {}))
    assert proxy.heads[0].startswith(b"GET http://hub.invalid:81/a?b=c HTTP/1.1\r\nHost: hub.invalid:81\r\n")


@pytest.mark.parametrize("kind", ["http", "https", "socks4a", "socks5h"])
async def test_a_proxy_that_nobody_listens_at_is_named_instead_of_the_host(monkeypatch, closed_port, kind):
    monkeypatch.setenv("https_proxy", f"{kind}://me:{WRITTEN}@127.0.0.1:{closed_port}")
    error = await failing("https://hub.invalid")
    assert f"through the proxy {kind}://127.0.0.1:{closed_port}: " in error.message
    assert "https_proxy" in error.hint
    assert (error.kind, error.retryable) == ("refused", True)
    assert SECRET not in everything(error)


async def test_a_proxy_whose_name_is_not_known_is_not_taken_for_a_host_that_is_not(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://" + "x" * 64)
    error = await failing("https://hub.invalid")
    assert "the proxy's name is not known" in error.message
    assert error.doubtful
