"""The cache in a page: how big, whether whole, where from, how to get it; and what can be done to it."""

from __future__ import annotations

import asyncio
import os

import pytest
from desks import publish

import models
from hubferry import api
from hubferry.cache.manifest import load
from hubferry.ui import checks
from hubferry.ui.application import SITE


@pytest.fixture
def cached(hubs, home):
    """Two models of the source in the cache; the directory of the larger one."""
    source, _destination = hubs
    for name, size in (("org/large", 64 << 10), ("org/bonsai", 8 << 10)):
        publish(source, models.transformers_model(home / name, shards=1, shard_size=size), name)
        path = api.fetch(f"hf:{name}").path
    return path.parent / "org_large"


async def until(pages, path, fits):
    """Ask until a page fits: what it waits for is done by threads and processes."""
    for _time in range(600):
        page = await pages.get(path)
        if fits(page):
            return page
        await asyncio.sleep(0.05)
    raise AssertionError(page.words)


async def test_a_newcomer_finds_size_state_origin_and_the_way_to_get_a_model(open_pages, cached):
    commit = load(cached / ".hubferry").commit
    async with open_pages() as pages:
        await pages.enter()
        table = await pages.get("/cache")
        assert "org/large" in table.words
        assert "whole" in table.words
        assert 'href="/cache/org_large"' in table.text
        page = await pages.get("/cache/org_large")
    for word in ("whole", "on the disk", "KiB", "org/large", "Hugging Face", commit[:10], "verified"):
        assert word in page.words, word
    assert "hubferry fetch hf:org/large" in page.text
    assert str(cached) in page.text


async def test_the_map_has_a_link_for_each_model_with_its_size_in_words(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        text = (await pages.get("/cache")).text
    assert text.count('aria-label="org/large, ') == 2  # on a screen, and on a phone
    assert text.count('aria-label="org/bonsai, ') == 2


async def test_the_table_is_sorted_and_searched_as_the_address_says(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()

        async def order(query):
            words = (await pages.get(f"/cache{query}")).words
            table = words[words.index("Last use") :]
            return sorted(("org/large", "org/bonsai"), key=lambda name: table.find(name) % (1 << 30))

        assert await order("") == ["org/large", "org/bonsai"]
        assert await order("?sort=name") == ["org/bonsai", "org/large"]
        found = await pages.get("/cache?q=BONSAI")
        assert "org/bonsai" in found.words
        assert "org/large" not in found.words
        assert "xyzzy" in (await pages.get("/cache?q=xyzzy")).words


async def test_a_model_is_pinned_and_let_go_again(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        page = await pages.send((await pages.get("/cache/org_large")).form("/pin"))
        assert page.status == 200
        assert "Pinned" in page.words
        assert load(cached / ".hubferry").pinned
        page = await pages.send(page.form("/pin"))
        assert "pin was taken away" in page.words
        assert not load(cached / ".hubferry").pinned


async def test_verifying_finds_a_changed_byte_and_repairing_mends_it(open_pages, cached):
    weights = next(cached.glob("*.safetensors"))
    good, status = weights.read_bytes(), weights.stat()
    weights.unlink()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    async with open_pages() as pages:
        await pages.enter()
        await pages.send((await pages.get("/cache/org_large")).form("/verify"))
        page = await until(pages, "/cache/org_large", lambda page: "is wrong or missing:" in page.words)
        assert weights.name in page.words
        assert "hashes to" in page.words
        assert "的哈希值是" in (await pages.get("/cache/org_large?lang=zh")).words  # for another reader
        run = await pages.send(page.form("/repair"))
        assert run.where.startswith("/copy/runs/")
        await until(pages, run.where, lambda page: "Done." in page.words)
        assert weights.read_bytes() == good
        await pages.send((await pages.get("/cache/org_large")).form("/verify"))
        await until(pages, "/cache/org_large", lambda page: "Sound:" in page.words)


async def test_cleaning_shows_what_it_frees_then_frees_that(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        preview = await pages.get("/cache/org_large/clean")
        assert "removing it frees" in preview.words
        assert cached.is_dir()
        after = await pages.send(preview.form("/clean"))
        assert "org/large was removed" in after.words
    assert not cached.exists()
    assert (cached.parent / "org_bonsai").is_dir()


async def test_what_came_to_have_the_name_since_the_preview_is_not_removed(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        form = (await pages.get("/cache/org_large/clean")).form("/clean")
        cached.rename(cached.parent / "aside")
        (cached.parent / "org_large").mkdir()
        (cached.parent / "org_large" / "mine.txt").write_text("mine")
        page = await pages.send(form)
        assert page.status == 409
        assert "not what was listed" in page.words
    assert (cached.parent / "org_large" / "mine.txt").read_text() == "mine"


async def test_a_pinned_model_is_removed_only_by_who_says_so(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        await pages.send((await pages.get("/cache/org_large")).form("/pin"))
        form = (await pages.get("/cache/org_large/clean")).form("/clean")
        refused = await pages.send(form)
        assert refused.status == 409
        assert "pinned" in refused.words
        assert cached.is_dir()
        assert (await pages.send(form, pinned="yes")).status == 200
    assert not cached.exists()


async def test_a_model_that_a_run_holds_cannot_be_removed(open_pages, cached):
    from hubferry.cache.directory import ModelDirectory

    known = load(cached / ".hubferry")
    async with open_pages() as pages:
        await pages.enter()
        form = (await pages.get("/cache/org_large/clean")).form("/clean")
        with ModelDirectory(cached, known.ref).hold(wait=0):
            assert "A transfer is at work" in (await pages.get("/cache/org_large/clean")).words
            assert (await pages.send(form)).status == 409
    assert cached.is_dir()


async def test_pruning_shows_first_and_removes_no_more_than_it_showed(open_pages, cached, home):
    async with open_pages() as pages:
        await pages.enter()
        assert "Nothing would go" in (await pages.get("/prune?keep=2")).words
        preview = await pages.get("/prune?size=1")
        assert "2 models would go" in preview.words
        form = next(one for one in preview.forms() if "shown" in one)
        shown = form["shown"].split()
        form["shown"] = shown[0]
        page = await pages.send(form)
        assert "1 model was removed" in page.words
    assert len([path for path in cached.parent.iterdir() if path.name.startswith("org_")]) == 1


async def test_limits_beyond_reason_are_refused_in_words_and_remove_nothing(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        form = next(one for one in (await pages.get("/prune?keep=0")).forms() if "shown" in one)
        for words in ({"days": "9" * 5000}, {"keep": "9" * 5000}, {"size": "9" * 5000}):
            page = await pages.send({**form, "keep": "", **words})
            assert (page.status, "is no whole number" in page.words or "is not a size" in page.words) == (
                409,
                True,
            )
    assert cached.is_dir()


async def test_a_verification_that_fails_in_a_way_that_nobody_thought_of_says_so(
    open_pages, cached, monkeypatch
):
    def fails(*_words, **_more):
        raise RuntimeError("out of the blue")

    monkeypatch.setattr(checks, "verify", fails)
    async with open_pages() as pages:
        await pages.enter()
        await pages.send((await pages.get("/cache/org_large")).form("/verify"))
        await until(pages, "/cache/org_large", lambda page: "out of the blue" in page.words)


async def test_a_verification_ends_with_the_pages(open_pages, cached):
    async with open_pages() as pages:
        await pages.enter()
        await pages.send((await pages.get("/cache/org_large")).form("/verify"))
        site = pages.application[SITE]
    assert site.checks.running == []


async def test_hostile_names_are_only_text(open_pages, home):
    name = '"><script>alert(1)</script>\u202egnp.exe'
    models.transformers_model(home / "cache" / name, shards=1, shard_size=64)
    async with open_pages() as pages:
        await pages.enter()
        for path in ("/", "/cache", "/prune?keep=0"):
            text = (await pages.get(path)).text
            assert "<script>alert" not in text, path
            assert "\u202e" not in text.replace("%E2%80%AE", ""), path
