"""Which proxy the environment names for an address, and for which it names none."""

from __future__ import annotations

import pytest
from asking import asking, everything, failing
from lines import HEAD, answering, talking

from hubferry.errors import ProxyError
from hubferry.hubs.http.client import Request
from hubferry.wire import proxies
from hubferry.wire.failures import (
    ProxyKindError,
)
from hubferry.wire.proxies import Proxy, proxy_for

OK = HEAD + b"ok"
SECRET = "p@ss:w/ord"
WRITTEN = "p%40ss%3Aw%2Ford"


ENVIRONMENTS = {
    "upper case": ({"HTTPS_PROXY": "http://p:1"}, "https", Proxy("http", "p", 1)),
    "lower case first": ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:2"}, "https", "http://q:2"),
    "for all": ({"ALL_PROXY": "socks5://p"}, "https", Proxy("socks5", "p", 1080)),
    "its own before that for all": ({"ALL_PROXY": "socks5://p", "HTTP_PROXY": "http://q"}, "http", "http://q:80"),
    "an empty one is none": ({"https_proxy": "", "all_proxy": "http://p:1"}, "https", "http://p:1"),
    "another scheme's is not ours": ({"HTTP_PROXY": "http://p:1"}, "https", None),
    "no scheme": ({"https_proxy": "p:1"}, "https", "http://p:1"),
    "capitals": ({"https_proxy": "SOCKS5H://p:1"}, "https", "socks5h://p:1"),
    "a slash behind": ({"https_proxy": "http://p:1/"}, "https", "http://p:1"),
    "IPv6": ({"https_proxy": "http://[2001:db8::1]:1"}, "https", "http://[2001:db8::1]:1"),
    "what desktops write": ({"all_proxy": "socks://p:1/"}, "http", "socks5h://p:1"),
    "a header of a CGI": ({"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}, "http", None),
    "not a header of a CGI": ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "http", "http://p:1"),
    "a login": (
        {"https_proxy": f"socks5://me:{WRITTEN}@p:1"},
        "https",
        Proxy("socks5", "p", 1, "me", SECRET),
    ),
    "a password that is not written as one should": (
        {"https_proxy": "http://me:a@b/c#d?e@p:1"},
        "https",
        Proxy("http", "p", 1, "me", "a@b/c#d?e"),
    ),
    "a user alone": ({"https_proxy": "http://me@p:1"}, "https", Proxy("http", "p", 1, "me")),
}  # fmt: skip


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_the_environment_says_which_proxy(monkeypatch, case):
    variables, scheme, wanted = ENVIRONMENTS[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for(scheme, "hub.example")
    assert (str(proxy) if isinstance(wanted, str) else proxy) == wanted
    if proxy is not None:
        assert proxy.variable in variables
        assert "word" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize(
    "named",
    [
        "ftp://me:{}@p:1",
        "http://",
        "http://me:{}@",
        "http://me:{}",
        "http://me:{}@p:port",
        "http://me:{}@[::1",
        "socks5://me:ß{}@p:1",
        "socks5://me:{}" + "x" * 255 + "@p:1",
        "socks5://" + "m" * 256 + ":{}@p:1",
    ],
)
async def test_what_is_no_proxy_is_named_by_its_variable_alone_and_at_once(monkeypatch, named):
    monkeypatch.setenv("HTTPS_PROXY", named.format("secret-word"))
    with pytest.raises(ProxyKindError):
        proxy_for("https", "hub.example")
    error = await failing("https://hub.example")
    assert isinstance(error, ProxyError)
    assert "HTTPS_PROXY" in error.message
    assert "secret-word" not in everything(error)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1.2.3", "127.1", "localhost", "localhost.", "LOCALHOST", "a.localhost", "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)  # fmt: skip
def test_this_machine_is_never_asked_through_a_proxy(monkeypatch, host):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:1")
    for scheme in ("http", "https"):
        assert proxy_for(scheme, host) is None
        assert proxy_for(scheme, f"{host}:8080") is None
    assert proxy_for("http", "127.0.0.1.example") is not None
    assert proxy_for("http", "localhost.example") is not None
    assert proxy_for("http", "[::2]") is not None


async def test_a_hub_of_this_machine_answers_although_the_proxy_is_gone(monkeypatch, closed_port):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    async with talking(answering(OK)) as hub, asking(hub.url) as ours:
        assert (await ours.ask(Request("GET", hub.url + "/", {}))).body == b"ok"


EXEMPT = {
    "": [],
    "*": ["hub.example", "10.1.2.3", "[2001:db8::1]"],
    "hub.example": ["hub.example", "HUB.example", "cdn.hub.example", "hub.example:8080", "hub.example."],
    ".hub.example": ["hub.example", "cdn.hub.example"],
    "*.hub.example": ["hub.example", "cdn.hub.example"],
    "HUB.EXAMPLE": ["hub.example"],
    "other.example, hub.example": ["hub.example", "other.example"],
    "other.example hub.example": ["hub.example"],
    ",,hub.example,": ["hub.example"],
    "hub.example:8080": ["hub.example:8080", "cdn.hub.example:8080"],
    "hub.example:443": ["hub.example"],
    "10.1.2.3": ["10.1.2.3", "10.1.2.3:8080", "[::ffff:10.1.2.3]"],
    "10.1.2.3:8080": ["10.1.2.3:8080"],
    "10.0.0.0/8": ["10.1.2.3", "10.1.2.3:8080"],
    "10.1.2.9/8": ["10.1.2.3"],
    "10.1.2.0/24": ["10.1.2.3"],
    "2001:db8::1": ["[2001:db8::1]", "[2001:db8:0::1]:8080"],
    "[2001:db8::1]": ["[2001:db8::1]"],
    "[2001:db8::1]:8080": ["[2001:db8::1]:8080"],
    "2001:db8::/32": ["[2001:db8::1]"],
    "bücher.example": ["xn--bcher-kva.example"],
    "10.0.0.0/99": [],
    "example": ["hub.example", "other.example", "xn--bcher-kva.example"],
}


@pytest.mark.parametrize("names", EXEMPT)
def test_no_proxy_names_hosts_as_curl_and_requests_read_it(monkeypatch, names):
    monkeypatch.setenv("all_proxy", "http://proxy.example:1")
    monkeypatch.setenv("NO_PROXY", names)
    for host in EXEMPT[names]:
        assert proxy_for("https", host) is None, host


def test_no_proxy_names_no_more_hosts_than_it_says(monkeypatch):
    monkeypatch.setenv("all_proxy", "http://proxy.example:1")
    wrong = {
        "hub.example": ["nothub.example", "hub.example.org", "example", "10.1.2.3"],
        ".hub.example": ["nothub.example"],
        "hub.example:8080": ["hub.example", "hub.example:80"],
        "10.1.2.3": ["10.1.2.30", "110.1.2.3", "host10.1.2.3"],
        "1.2.3": ["10.1.2.3"],
        "10.1.2.3:8080": ["10.1.2.3"],
        "10.0.0.0/8": ["11.0.0.1", "10.hub.example", "[2001:db8::1]"],
        "10.0.0.0/99": ["10.0.0.1"],
        "2001:db8::1": ["[2001:db8::2]"],
        "[2001:db8::1]:8080": ["[2001:db8::1]"],
        ".": ["hub.example"],
        "xn--a-\N{LATIN SMALL LETTER SHARP S}" + "x" * 64: ["hub.example"],
    }
    for names, hosts in wrong.items():
        monkeypatch.setenv("no_proxy", names)
        for host in hosts:
            assert proxy_for("https", host) is not None, (names, host)


def test_a_proxy_of_the_systems_settings_is_taken_where_the_environment_names_none(monkeypatch):
    monkeypatch.setattr(proxies, "getproxies", lambda: {"https": "http://me:word@system:1"})
    monkeypatch.setattr(proxies, "proxy_bypass", lambda host: host == "left.example")
    assert proxy_for("https", "hub.example") == Proxy("http", "system", 1, "me", "word")
    assert proxy_for("https", "left.example") is None
    monkeypatch.setenv("http_proxy", "http://other:1")
    assert proxy_for("https", "hub.example") is None
