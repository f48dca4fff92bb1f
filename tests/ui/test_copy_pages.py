"""A copy in a page, as somebody without a script sees it: planned, started, stopped, resumed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading

import pytest
from desks import publish, stored
from servers import Seams, running_hub
from test_cache_pages import until

import models
from hubferry import aio
from hubferry.ui.wish import Wish

MIB = 1 << 20


@pytest.fixture
def model(hubs, home):
    folder = models.transformers_model(home / "m", shards=2, shard_size=64 << 10)
    publish(hubs[0], folder, "org/model")
    return folder


@pytest.fixture
def gate(hubs, tmp_path, monkeypatch):
    """A source that hands out 2 MiB, and then nothing before the gate is opened."""
    opened, gone = threading.Event(), []

    async def pace(_request, direction, count):
        if direction == "out" and count > 4096:
            gone.append(count)
            if sum(gone) > 2 * MIB:
                await asyncio.to_thread(opened.wait)

    with running_hub(tmp_path / "gated", seams=Seams(pace=pace)) as source:
        publish(
            source, models.transformers_model(tmp_path / "large", shards=2, shard_size=4 * MIB), "org/large"
        )
        monkeypatch.setenv("HF_ENDPOINT", source.url)
        monkeypatch.setenv("HF_TOKEN", source.token)
        yield opened
        opened.set()


async def planned(pages, **words):
    """Fill in the form, and wait for the plan."""
    form = (await pages.get("/copy")).form("/copy/plans")
    page = await pages.send(form, **words)
    if "/copy/plans/" not in page.where or page.status != 200:
        return page
    return await until(pages, page.where, lambda page: "data-events" not in page.text)


async def test_a_copy_is_planned_and_shown_and_nothing_moves_before_it_is_started(open_pages, hubs, model):
    async with open_pages() as pages:
        await pages.enter()
        plan = await planned(pages, source="hf:org/model", destination="ms:mine/model")
        assert "will be created as public" in plan.words
        assert "model-00001-of-00002.safetensors" in plan.words
        assert "hubferry copy hf:org/model ms:mine/model" in plan.text
        assert not list(hubs[1].store.root.rglob("*.safetensors"))
        run = await pages.send(plan.form("/copy/runs"))
        done = await until(pages, run.where, lambda page: "Done, and proven" in page.words)
        assert "verified:" in done.words
    assert set(stored(hubs[1], "mine/model")) >= {"config.json"}


async def test_what_would_be_refused_is_said_in_the_plan_and_cannot_be_started(open_pages, model):
    async with open_pages() as pages:
        await pages.enter()
        missing = await planned(pages, source="hf:org/nothing", destination="ms:mine/model")
        assert "has no repository org/nothing" in missing.words
        assert not [one for one in missing.forms() if one["action"].endswith("/copy/runs")]
        form = {**(await pages.get("/copy")).form("/copy/plans"), "action": "/copy/runs"}
        started = await pages.send(form, plan=missing.where.rpartition("/")[2])
        assert (started.status, "would be refused" in started.words) == (409, True)
        for words in (
            {"source": "", "destination": "ms:mine/model"},
            {"source": "hf:org/model", "destination": ""},
            {"source": "https://me:secret@huggingface.co/org/model", "destination": "ms:mine/model"},
            {"source": "hf:org/model\u202e", "destination": "ms:mine/model"},
            {"source": "hf:org/model", "destination": "ms:mine/model", "rate": "fast"},
            {"source": "hf:org/model", "destination": "ms:mine/model", "rate": "9" * 400},
        ):
            page = await planned(pages, **words)
            assert page.status == 422, words


async def test_a_plan_that_fails_in_a_way_that_nobody_thought_of_is_waited_for_no_longer(
    open_pages, home, monkeypatch
):
    async def fails(*_words):
        raise RuntimeError("out of the blue")

    monkeypatch.setattr(aio, "plan", fails)
    async with open_pages() as pages:
        await pages.enter()
        page = await planned(pages, source="hf:org/model", destination="ms:mine/model")
    assert "the plan cannot be made: out of the blue" in page.words


async def test_no_word_of_a_form_is_an_option_of_the_command(open_pages, model, home):
    async with open_pages() as pages:
        await pages.enter()
        for source in ("--help", "-h", "--log-file=/tmp/evil"):
            page = await planned(pages, source=source, destination="ms:mine/model")
            assert not [one for one in page.forms() if one["action"].endswith("/copy/runs")], source


@pytest.mark.parametrize("word", ["--help", "-x", "--include=*", "--public", "--private"])
def test_what_stands_in_a_form_is_behind_everything_that_the_command_takes_for_an_option(word):
    wish = Wish(word, word, revision=word, include=f"{word}\n{word}", visibility="private", rate="2M")
    words = wish.arguments
    assert words[-3:] == ["--", word, word]
    before = words[: words.index("--")]
    assert before == [
        "copy", f"--revision={word}", f"--include={word}", f"--include={word}", "--bwlimit=2M", "--private",
    ]  # fmt: skip


async def test_a_copy_is_stopped_and_resumed_and_converges(open_pages, hubs, gate):
    async with open_pages() as pages:
        await pages.enter()
        plan = await planned(pages, source="hf:org/large", destination="ms:mine/large")
        run = await pages.send(plan.form("/copy/runs"))
        moving = await until(
            pages, run.where, lambda page: re.search(r"Fetched \d[\d.]* [KM]iB of", page.words) is not None
        )
        assert "moving" in moving.words
        assert "hf:org/large" in (await pages.get("/transfers")).words
        stopped = await pages.send(moving.form("/stop"))
        stopped = await until(pages, run.where, lambda page: "Resume" in page.words)
        assert "stopped" in stopped.words
        gate.set()
        again = await pages.send(stopped.form("/resume"))
        assert again.where != run.where
        await until(pages, again.where, lambda page: "Done, and proven" in page.words)
    assert "config.json" in stored(hubs[1], "mine/large")


async def test_a_copy_goes_on_when_the_pages_are_closed_and_later_pages_show_it(open_pages, hubs, gate):
    async with open_pages() as pages:
        await pages.enter()
        plan = await planned(pages, source="hf:org/large", destination="ms:mine/large")
        run = await pages.send(plan.form("/copy/runs"))
        await until(pages, run.where, lambda page: "moving" in page.words)
    async with open_pages() as pages:
        await pages.enter()
        assert "moving" in (await pages.get(run.where)).words
        gate.set()
        done = await until(pages, run.where, lambda page: "Done, and proven" in page.words)
        assert "mine/large" in done.words


async def test_a_copy_that_was_killed_is_broken_off_and_can_be_resumed(open_pages, hubs, gate):
    async with open_pages() as pages:
        await pages.enter()
        plan = await planned(pages, source="hf:org/large", destination="ms:mine/large")
        run = await pages.send(plan.form("/copy/runs"))
        page = await until(pages, run.where, lambda page: "process" in page.words and "moving" in page.words)
        os.kill(int(re.search(r"process (\d+)", page.words)[1]), signal.SIGKILL)
        page = await until(pages, run.where, lambda page: "Resume" in page.words)
        assert "broken off" in page.words
        gate.set()
        again = await pages.send(page.form("/resume"))
        await until(pages, again.where, lambda page: "Done, and proven" in page.words)


async def test_no_token_is_in_what_is_kept_of_a_copy_or_in_its_words(open_pages, hubs, model, tmp_path):
    async with open_pages() as pages:
        await pages.enter()
        plan = await planned(
            pages, source="hf:org/model", destination="ms:mine/model", include="*.json\n*.md"
        )
        run = await pages.send(plan.form("/copy/runs"))
        await until(pages, run.where, lambda page: "Done, and proven" in page.words)
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in kept)
    for path in kept:
        content = path.read_bytes()
        assert all(hub.token.encode() not in content for hub in hubs)
        assert path.stat().st_mode & 0o77 == 0


async def test_the_sentences_of_a_plan_are_those_of_the_readers_language(open_pages, model):
    async with open_pages() as pages:
        await pages.enter()
        await pages.get("/-/prefer?language=zh&back=/copy")
        plan = await planned(pages, source="hf:org/nothing", destination="ms:mine/model")
    assert "没有仓库" in plan.words
    assert "has no repository" not in plan.words
