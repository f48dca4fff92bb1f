"""The same pages beside others, only to read: a watch of mirrors shows its runs, a mirror what it keeps."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request

import pytest
from aiohttp.test_utils import TestClient, TestServer
from desks import publish

import models
from hubferry import api
from hubferry.cli.serve_mirror import MirrorWish
from hubferry.cli.sync.watch import _pages
from hubferry.mirror.upstreams import Choice, Names
from hubferry.serve import Account, Credential, Policy, Store, create_application
from hubferry.sync.listening import listening
from hubferry.sync.metrics import Metrics
from hubferry.sync.watch import Standing

MIRRORS = (
    'version: 1\nsync:\n  - {name: one, source: hf:org/model, target: ms:mine/one, schedule: "0 3 * * *"}\n'
)


def read(address, **headers):
    asked = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_a_watch_shows_its_file_and_runs_beside_its_metrics_and_nothing_else(home):
    models.transformers_model(home / "cache" / "secret_model", shards=1, shard_size=64)
    file = home / "mirrors.yaml"
    file.write_text(MIRRORS)
    metrics, standing = Metrics(), Standing()
    async with listening("127.0.0.1:0", metrics, standing, _pages(file, "127.0.0.1:0")) as address:
        status, page = await asyncio.to_thread(read, f"{address}/")
        assert status == 200
        assert "mirrors.yaml" in page
        assert "0 3 * * *" in page
        assert 'method="post"' not in page
        for path in ("/cache", "/copy", "/receipts", "/prune", "/cache/org_model"):
            status, page = await asyncio.to_thread(read, address + path)
            assert (status, "secret" in page) == (404, False), path
        assert (await asyncio.to_thread(read, f"{address}/", Host="evil.example"))[0] == 421
        for path in ("/metrics", "/healthz"):  # a scraper asks by whatever name it knows
            assert (await asyncio.to_thread(read, address + path, Host="mirror.lan"))[0] == 200


@pytest.fixture
def kept(hubs, home):
    publish(hubs[0], models.transformers_model(home / "m", shards=1, shard_size=8192), "org/model")
    return api.fetch("hf:org/model").path


def mirror(tmp_path, *, to_all):
    people = [Credential("root", Account("root", role="admin")), Credential("me", Account("me"))]
    policy = Policy() if to_all else Policy(people)
    application = create_application(Store(tmp_path / "hub"), policy)
    MirrorWish(
        (), is_open=False, offline=True, ttl=60.0, choice=Choice((), ()), names=Names(), quota=None
    ).show_cache(application, to_all=to_all)
    return TestClient(TestServer(application))


async def test_a_mirror_shows_what_it_keeps_to_whoever_may_read_everything(kept, tmp_path):
    async with mirror(tmp_path, to_all=True) as client:
        answer = await client.get("/-/cache")
        text = await answer.text()
        assert (answer.status, "org/model" in text) == (200, True)
        assert 'href="/-/cache/org_model"' in text
        text = await (await client.get("/-/cache/org_model")).text()
        assert "hubferry fetch hf:org/model" in text
        assert 'method="post"' not in text
        for path in ("/-/cache/org_model/clean", "/-/prune"):
            assert (await client.get(path)).status == 404
        sent = await client.post(
            "/-/cache/org_model/clean", headers={"Origin": str(client.make_url("/"))[:-1]}
        )
        assert sent.status in (403, 404, 405)
    assert kept.is_dir()


@pytest.mark.parametrize("to_all", [True, False])
async def test_the_first_page_leads_to_what_the_mirror_keeps_for_whoever_may_see_it(kept, tmp_path, to_all):
    async with mirror(tmp_path, to_all=to_all) as client:
        for headers, may_see in (
            ({}, to_all),
            *(
                ()
                if to_all
                else (({"Authorization": "Bearer me"}, False), ({"Authorization": "Bearer root"}, True))
            ),
        ):
            answer = await client.get("/", headers={"Accept": "text/html", **headers})
            assert (answer.status, 'href="/-/cache"' in await answer.text()) == (200, may_see), headers


async def test_a_page_that_says_no_leads_back_to_a_page_that_there_is(kept, tmp_path):
    async with mirror(tmp_path, to_all=True) as client:
        refused = await client.get("/-/cache/nothing", headers={"Accept": "text/html"})
        assert refused.status == 404
        (back,) = re.findall(r'<p><a href="([^"]*)">To the first page', await refused.text())
        assert (await client.get(back, headers={"Accept": "text/html"})).status == 200


async def test_a_hub_with_tokens_shows_it_to_an_administrator_alone(kept, tmp_path):
    async with mirror(tmp_path, to_all=False) as client:
        for headers, status in (
            ({}, 404),
            ({"Authorization": "Bearer me"}, 404),
            ({"Authorization": "Bearer root"}, 200),
        ):
            for path in ("/-/cache", "/-/cache/org_model"):
                answer = await client.get(path, headers=headers)
                assert answer.status == status
                assert ("sha256" in await answer.text() or "Size" in await answer.text()) == (status == 200)
        assert (await client.get("/-/-/events")).status == 404
