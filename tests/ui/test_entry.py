"""Who gets in, and what changes something: the key, the name of this machine, forms of ours alone."""

from __future__ import annotations

import re
import shutil

import pytest
from reading import KEY

import models
from hubferry.cache.manifest import load

PATHS = ("/", "/cache", "/transfers", "/copy", "/sync", "/receipts", "/prune")


def put(home, name="org_model"):
    """A model in the cache of which nothing is recorded."""
    return models.transformers_model(home / "cache" / name, shards=1, shard_size=4096)


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_gets_in_without_the_key_and_nothing_of_the_machine_is_said(open_pages, home, path):
    put(home, "secret_model")
    async with open_pages() as pages:
        page = await pages.get(path)
        assert page.status == 401
        assert "secret" not in page.text
        for wrong in ("x", "", KEY[:-1], KEY + "x"):
            assert (await pages.get(f"{path}?key={wrong}")).status == 401


async def test_the_key_is_changed_for_a_cookie_that_scripts_and_other_sites_do_not_have(open_pages):
    async with open_pages() as pages:
        answer = await pages.ask("GET", f"/cache?key={KEY}&sort=name", allow_redirects=False)
        assert (answer.status, answer.headers["Refresh"]) == (200, "0;url=/cache?sort=name")
        assert KEY not in answer.text
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert KEY not in cookie
        assert (await pages.get("/cache")).status == 200


async def test_a_page_elsewhere_whose_name_means_this_machine_reads_nothing(open_pages):
    async with open_pages() as pages:
        await pages.enter()
        for host in ("evil.example", "evil.example:8788", "127.0.0.1.evil.example", "", "localhost.evil"):
            page = await pages.get("/", Host=host)
            assert page.status == 421, host
            assert "hubferry" not in page.text
        for host in ("127.0.0.1", "localhost:1", "ui.localhost", "[::1]:80"):
            assert (await pages.get(f"/?key={KEY}", Host=host)).status == 200, host


async def test_every_page_says_that_nothing_of_elsewhere_may_run_in_it(open_pages):
    async with open_pages() as pages:
        await pages.enter()
        for path in (*PATHS, "/nothing", "/cache/nothing"):
            page = await pages.get(path)
            assert "default-src 'none'" in page.headers["Content-Security-Policy"], path
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Cache-Control"] == "no-store"
            assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text), path


@pytest.fixture
def fetched(hubs, home):
    """A model that was fetched."""
    from desks import publish

    from hubferry import api

    publish(hubs[0], models.transformers_model(home / "m", shards=1, shard_size=8192), "org/model")
    return api.fetch("hf:org/model").path


async def test_what_another_origin_sends_or_has_no_token_changes_nothing(open_pages, fetched):
    async with open_pages() as pages:
        await pages.enter()
        model = await pages.get("/cache/org_model")
        preview = await pages.get("/cache/org_model/clean")
        for form in (
            model.form("/pin"),
            preview.form("/clean"),
            model.form("/repair"),
            model.form("/verify"),
        ):
            for origin in ("https://evil.example", "null", ""):
                assert (await pages.send(form, origin=origin)).status == 403
            without = {name: value for name, value in form.items() if name != "form_token"}
            assert (await pages.send(without)).status == 403
            assert (await pages.send(form, form_token="0" * 64)).status == 403
            assert (await pages.get(form["action"])).status in (200, 405)  # a preview, or nothing to read
        other = await pages.ask("POST", "/cache/org_model/clean", json={}, headers={"Origin": pages.origin})
        assert other.status == 403
    assert fetched.is_dir()
    assert not load(fetched / ".hubferry").pinned


async def test_a_form_of_an_earlier_start_is_none_of_this_one(open_pages, fetched):
    async with open_pages() as before:
        await before.enter()
        form = (await before.get("/cache/org_model")).form("/pin")
    async with open_pages() as pages:
        await pages.enter()
        assert (await pages.send(form)).status == 403


async def test_pages_that_are_started_beside_others_leave_their_reader_and_their_open_forms_alone(
    open_pages, fetched
):
    async with open_pages() as one, open_pages(beside=one, key="another-key") as other:
        await one.enter()
        form = (await one.get("/cache/org_model")).form("/pin")
        await other.get("/?key=another-key")
        assert (await one.send(form)).status == 200
        assert (await other.get("/cache")).status == 200
    assert load(fetched / ".hubferry").pinned


async def test_pages_at_the_ends_of_two_tunnels_are_told_apart_by_the_port_that_the_reader_sees(open_pages):
    async with open_pages() as pages:
        names = set()
        for host in ("localhost:8001", "localhost:8002"):
            entered = await pages.ask("GET", f"/?key={KEY}", allow_redirects=False, headers={"Host": host})
            names.add(entered.headers["Set-Cookie"].partition("=")[0])
        assert names == {"hubferry_session_8001", "hubferry_session_8002"}


async def test_read_only_pages_have_no_forms_that_change_and_take_none(open_pages, fetched):
    async with open_pages() as pages:
        await pages.enter()
        forms = [
            (await pages.get("/cache/org_model")).form("/pin"),
            (await pages.get("/cache/org_model/clean")).form("/clean"),
        ]
    async with open_pages(read_only=True) as pages:
        await pages.enter()
        for path in ("/", "/cache", "/cache/org_model", "/copy", "/transfers"):
            page = await pages.get(path)
            assert page.status == 200
            assert 'method="post"' not in page.text
        assert (await pages.get("/cache/org_model/clean")).status == 404
        for form in forms:
            assert (await pages.send(form)).status in (404, 405)
    assert fetched.is_dir()


async def test_a_mistake_in_the_address_is_a_page_and_no_traceback(open_pages, home):
    put(home)
    async with open_pages() as pages:
        await pages.enter()
        for path, status in (
            ("/nothing", 404), ("/cache/nothing", 404), ("/cache/..%2f..%2fetc", 404),
            ("/cache/org_model?page=²", 200),
            ("/cache/org_model?page=99999999999999", 200), ("/sync/runs/x", 404), ("/sync/runs/1", 404),
            ("/copy/plans/0", 404), ("/copy/runs/..%2f..", 404), ("/receipts/one?name=../../etc/passwd", 404),
            ("/prune?size=much", 200), ("/prune?days=-1", 200), ("/cache?sort=evil&q=%00", 200),
            ("/cache?said=pruned-", 200), ("/cache?said=removed-x", 200),
            (f"/cache?said=removed-{'9' * 400}", 200),
            (f"/prune?size={'9' * 400}", 200), (f"/prune?days={'9' * 400}", 200),
        ):  # fmt: skip
            page = await pages.get(path)
            assert page.status == status, path
            assert "Traceback" not in page.text


async def test_a_broken_root_is_said_and_breaks_nothing_else(open_pages, home):
    shutil.rmtree(home / "cache", ignore_errors=True)
    (home / "cache").write_text("a file")
    async with open_pages() as pages:
        await pages.enter()
        assert (await pages.get("/transfers")).status == 200
        assert (await pages.get("/cache")).status in (200, 409)
