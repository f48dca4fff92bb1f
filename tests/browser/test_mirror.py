"""A mirror's pages in Chromium: what it did, live, and a file that comes through it."""

from __future__ import annotations

import hashlib
import sys
import urllib.request
from pathlib import Path

import pytest
import worlds
from looking import assert_sound
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parents[1] / "mirror"))

from mirroring import running_mirror


@pytest.fixture
def mirror(hub, tmp_path):
    worlds.fill(hub.store)
    with running_mirror(hf=hub.url, ms=hub.url, root=tmp_path / "cache", store=tmp_path / "own") as running:
        yield running


def fetched(tabs):
    """Return how often a page itself was asked for."""
    return sum(one.rstrip("/").count("/") == 2 for one in tabs.requests)


def test_the_numbers_of_a_mirror_are_renewed_when_they_change_and_nobody_asks_otherwise(tabs, mirror):
    page = tabs.open(mirror.url)
    assert_sound(page)
    assert fetched(tabs) == 1
    for _time in range(2):
        with urllib.request.urlopen(f"{mirror.url}/lab/quill-120m/resolve/main/model.safetensors") as answer:
            answer.read()
        mirror.settle()
    expect(page.locator("[data-live] dd").first).to_have_text("1", timeout=15_000)
    assert 2 <= fetched(tabs) <= 4


def test_a_model_of_upstream_is_read_and_downloaded_through_the_mirror(tabs, mirror, hub):
    page = tabs.open(f"{mirror.url}/lab/quill-120m", language="zh")
    assert page.get_by_text("来自 Hugging Face").is_visible()
    assert_sound(page)
    page.goto(f"{mirror.url}/lab/quill-120m/blob/main/model.safetensors")
    assert page.get_by_text("model.embed_tokens.weight").is_visible()
    assert_sound(page)
    with page.expect_download() as coming:
        page.get_by_role("link", name="下载").click()
    file = hub.store.find("lab/quill-120m")
    wanted = file.file(file.resolve(None), "model.safetensors").sha256
    assert hashlib.sha256(coming.value.path().read_bytes()).hexdigest() == wanted
    assert coming.value.suggested_filename == "model.safetensors"
    mirror.settle()
