"""The embedded hub behind a proxy: links that lead back through it, and names that are its own."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from exchanging import exchanged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import TestHub, running_hub
from yarl import URL

from hubferry.serve import Public, ServerLimits, Strictness, proxy_network, public_url
from hubferry.serve.addresses import client_address

if TYPE_CHECKING:
    from collections.abc import Iterator

WEIGHTS = random.Random("serve proxied 1").randbytes(300_000)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
NEW = hashlib.sha256(b"new").hexdigest()
SECONDS = 30


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[TestHub]:
    with running_hub(tmp_path_factory.mktemp("hub"), limits=ServerLimits(page=1)) as running:
        running.store.add("org/model", {"README.md": b"hello", "w.safetensors": WEIGHTS})
        yield running


async def links(hub: TestHub, *fields: str) -> list[str]:
    """Return every kind of link that the hub writes into an answer."""
    batch = json.dumps({"operation": "upload", "objects": [{"oid": NEW, "size": 3}]}).encode()
    lfs = "info/lfs/objects/batch HTTP/1.1"
    files, found = "org/model/resolve/main/w.safetensors", []
    for target in (f"/{files}", "/api/v1/models/org/model/repo?FilePath=w.safetensors"):
        told = await exchanged(hub, f"GET {target} HTTP/1.1", *fields)
        found.append(told[1]["location"])
    page = await exchanged(hub, "GET /api/models/org/model/tree/main HTTP/1.1", *fields)
    found.append(page[1]["link"].partition("<")[2].partition(">")[0])
    for target in (f"/org/model.git/{lfs}", f"/api/v1/repos/models/org/model/{lfs}"):
        told = json.loads((await exchanged(hub, f"POST {target}", *fields, body=batch))[2])
        blob = (told.get("Data") or told)["objects"][0]
        found.append(blob["actions"]["upload"]["href"])
    wish = json.dumps({"name": "model", "organization": "org"}).encode()
    taken = await exchanged(hub, "POST /api/repos/create HTTP/1.1", *fields, body=wish)
    assert taken[0] == 409
    found.append(json.loads(taken[2])["url"])
    return found


def bases(found: list[str]) -> set[str]:
    return {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, found)}


OUTSIDE = ("Host: 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: hub.example:8443")


async def test_every_link_leads_back_through_a_proxy_on_this_machine(shared):
    assert bases(await links(shared, *OUTSIDE)) == {"https://hub.example:8443"}


async def test_without_a_proxy_links_are_by_the_name_that_was_asked(shared):
    port = URL(shared.url).port
    assert bases(await links(shared, f"Host: localhost:{port}")) == {f"http://localhost:{port}"}


async def test_a_public_address_is_believed_before_anything_that_a_proxy_says(make_hub):
    hub = make_hub(public=Public("https://hub.example/models"), limits=ServerLimits(page=1))
    hub.store.add("org/model", {"README.md": b"hello", "w.safetensors": WEIGHTS})
    for fields in (OUTSIDE, ("Host: hub.example", "X-Forwarded-Proto: gopher")):
        found = await links(hub, *fields)
        assert all(link.startswith("https://hub.example/models/") for link in found), found


async def test_links_without_a_host_lead_below_the_path_of_the_public_address(make_hub):
    strict = Strictness(resolve_cache=True, renamed=(("org/old", "org/model"),))
    hub = make_hub(public=Public("https://hub.example/models"), strict=strict)
    hub.store.add("org/model", {"README.md": b"hello"})
    for name, path in (("model", "/models/api/resolve-cache/"), ("old", "/models/org/model/resolve/")):
        head = f"GET /org/{name}/resolve/main/README.md HTTP/1.1"
        _status, told, _body = await exchanged(hub, head, "Host: localhost")
        assert told["location"].startswith(path)


LISTS = {
    "one proxy sets it": (["X-Forwarded-Proto: https"], "https://localhost"),
    "what the client said stands before it": (["X-Forwarded-Proto: http, https"], "https://localhost"),
    "in two lines": (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], "https://localhost"),
    "two proxies that are believed": (
        ["X-Forwarded-For: 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto: https, http"],
        "https://localhost",
    ),
    "and the client before them": (
        ["X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto: http, https, http"],
        "https://localhost",
    ),
    "a second proxy that is not believed": (
        ["X-Forwarded-For: 203.0.113.9, 192.0.2.7", "X-Forwarded-Proto: https, http"],
        "http://localhost",
    ),
    "hosts too": (
        ["X-Forwarded-For: 203.0.113.9, 10.1.2.3", "X-Forwarded-Host: evil.example, a.example, b.example"],
        "http://a.example",
    ),
    "another header is not": (["Forwarded: proto=https;host=evil.example"], "http://localhost"),
}


@pytest.mark.parametrize(("fields", "base"), LISTS.values(), ids=LISTS)
async def test_of_a_list_the_outermost_proxy_that_is_believed_counts(make_hub, fields, base):
    hub = make_hub(public=Public(proxies=(ipaddress.ip_network("10.0.0.0/8"),)))
    hub.store.add("org/model", {"w.safetensors": WEIGHTS})
    target = "GET /org/model/resolve/main/w.safetensors HTTP/1.1"
    status, told, _body = await exchanged(hub, target, "Host: localhost", *fields)
    assert (status, bases([told["location"]])) == (302, {base})


class Asked:
    """A request as far as its addresses go: nobody can ask from another machine in a test."""

    def __init__(self, hub: TestHub, peer: str, **headers: str) -> None:
        from aiohttp.test_utils import make_mocked_request

        from hubferry.serve import create_application

        public = Public(proxies=(proxy_network("10.0.0.0/8"), proxy_network("2001:db8::7")))
        self.request = make_mocked_request(
            "GET",
            "/",
            headers={"Host": "hub.lab", **headers},
            app=create_application(hub.store, public=public),
        )
        known = {"peername": (peer, 4711), "sockname": ("10.0.0.1", 80)}
        self.request.transport.get_extra_info.side_effect = lambda name, default=None: known.get(
            name, default
        )


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.9.9.9", True),
        ("::ffff:10.0.0.1", True), ("11.0.0.1", False),
        ("2001:db8::7", True), ("192.168.1.1", False), ("2001:db8::8", False),
    ],
)  # fmt: skip
def test_forwarded_addresses_are_believed_from_this_machine_and_from_named_networks_only(
    shared, peer, believed
):
    from hubferry.serve.addresses import absolute

    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "out.example", "X-Forwarded-For": "203.0.113.5"}
    request = Asked(shared, peer, **said).request
    assert absolute(request, "/x") == ("https://out.example/x" if believed else "http://hub.lab/x")
    assert (client_address(request) == "203.0.113.5") is believed


HOSTS = {
    "127.0.0.1": 200, "127.0.0.1:99": 200, "localhost": 200, "LOCALHOST:1": 200, "[::1]:8787": 200,
    "a.localhost": 200, "127.9.9.9": 200, "hub.example": 200, "hub.example:444": 200, "HUB.example.": 200,
    "evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "192.168.0.1": 421,
    "0.0.0.0": 421, "hub.example.evil.example": 421, "[::2]": 421, "a b": 400, "x/y": 400, "u@localhost": 400,
}  # fmt: skip


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
async def test_a_hub_of_this_machine_answers_to_its_own_names_only(make_hub, host, status):
    hub = make_hub(public=Public("https://hub.example"))
    for more in ([], ["X-Forwarded-Host: localhost"]):  # a page's script can say that
        assert (await exchanged(hub, "GET /healthz HTTP/1.1", f"Host: {host}", *more))[0] == status


async def test_two_hosts_are_refused_and_none_is_that_of_an_old_client(shared):
    head = "GET /org/model/resolve/main/w.safetensors"
    assert (await exchanged(shared, f"{head} HTTP/1.1", "Host: localhost", "Host: evil.example"))[0] == 400
    status, told, _body = await exchanged(shared, f"{head} HTTP/1.0")
    assert (status, bases([told["location"]])) == (302, {shared.url})


@pytest.mark.parametrize(
    "text",
    ["", "hub.example", "ftp://x", "https://", "https://u:p@x", "https://x?q", "https://x/#f", "https://x:99999",
     "https://x:y", "https://x/a b", "https://x/../y", "https://[::1", "https://é.example"],
)  # fmt: skip
def test_what_is_no_public_address_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        public_url(text)


def test_a_public_address_has_one_form():
    assert public_url("HTTPS://Hub.Example:8443/a/b/") == "https://hub.example:8443/a/b"
    assert (Public("https://[::1]:8/p").host, Public("https://[::1]:8/p").prefix) == ("[::1]", "/p")


async def signed(hub: TestHub) -> tuple[str, str]:
    """Return path and query of an address to read from and one to put to."""
    found = await links(hub, "Host: localhost")
    return URL(found[0]).raw_path_qs, URL(found[3]).raw_path_qs


async def test_an_address_that_says_something_twice_is_refused(shared):
    get, put = await signed(shared)
    for method, target in (("GET", get), ("PUT", put)):
        path, _, query = target.partition("?")
        for pair in query.split("&"):
            for twice in (f"{query}&{pair}", f"{pair}&{query}"):
                status, _head, _body = await exchanged(
                    shared, f"{method} {path}?{twice} HTTP/1.1", "Host: localhost", body=b"new"
                )
                assert status == 400, twice


async def test_a_signature_covers_each_parameter_by_itself(shared):
    """Joined with a separator, `size` could move into the value of `expires`."""
    _get, put = await signed(shared)
    moved = put.replace("&size=", "%00size%3D")
    assert moved != put
    assert (await exchanged(shared, f"PUT {moved} HTTP/1.1", "Host: localhost", body=b"new"))[0] == 403


QUERIES = st.text("ab=&;%+0/\\\"'#[]{}", max_size=30) | st.lists(
    st.sampled_from(
        [
            "limit=9",
            "cursor=%",
            "cursor=1",
            "cursor=" + "9" * 400,
            "Revision=%00",
            "Revision=%ED%A0%80",
            "limit=%FF",
            "FilePath=%2e%2e%2f",
            "recursive=true",
            "expires=nan",
            "size=1e9",
            "signature",
            "a",
            "PageSize=0",
            "%",
            "&&",
            "PageNumber=-1",
            "search=%F0%9F",
            "owner=%0d%0aX: y",
            "commit=%0a",
            "expand=1",
            "x" * 3_000,
        ]
    ),
    max_size=6,
).map("&".join)
TARGETS = [
    "/healthz", "/api/models", "/api/models/org/model", "/api/models/org/model/tree/main", "/api/whoami-v2",
    "/api/models/org/model/commits/main", "/org/model/resolve/main/w.safetensors", f"/storage/{SHA256}",
    "/api/resolve-cache/models/org/model/main/README.md", "/api/v1/models/org/model/repo/files",
    "/api/v1/models/org/model/repo/tree", "/api/v1/models/org/model/repo", "/openapi/v1/models", "/nothing",
    "/api/v1/models/org/model/revisions", "/api/models/org/model/refs", "/openapi/v1/models/org/model",
]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    target=st.sampled_from(TARGETS),
    query=QUERIES,
    put=st.booleans(),
    raw=st.sampled_from(["", "\xff", "\xe9"]),
)
def test_nothing_in_a_query_makes_it_fail(shared, target, query, put, raw):
    method = "PUT" if put and target.startswith("/storage/") else "GET"
    head = f"{method} {target}?{query.replace(' ', '+')}{raw} HTTP/1.1"
    assert asyncio.run(exchanged(shared, head, "Host: localhost"))[0] < 500
