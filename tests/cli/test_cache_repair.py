"""Bit rot: the same size, the same time, one byte another. Only reading finds it; repair mends just that."""

from __future__ import annotations

import os

import pytest
from desks import digests

SHARD = "model-00002-of-00002.safetensors"


@pytest.fixture
def rotten(desk, model):
    """A cached model of which one byte changed behind its signature's back."""
    assert desk.ferry("fetch", "-q", "hf:org/model").code == 0
    cached = desk.home / "cache/org_model"
    status = (cached / SHARD).stat()
    with (cached / SHARD).open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)
        file.seek(-100, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(cached / SHARD, ns=(status.st_atime_ns, status.st_mtime_ns))
    return cached


def test_a_rotten_byte_is_found_by_a_full_verification_and_named(desk, rotten):
    done = desk.ferry("cache", "verify", "model", "--full")
    assert done.code == 6
    assert SHARD in done.out


def test_repair_fetches_only_the_rotten_file(desk, model, rotten):
    done = desk.ferry("cache", "repair", "model", "--json")
    assert done.code == 0, done.said
    (report,) = done.json()["models"]
    assert report["repaired"] == [SHARD]
    assert report["fetched"] == (model / SHARD).stat().st_size
    assert digests(rotten) == digests(model)
    again = desk.ferry("cache", "repair", "model")
    assert (again.code, again.out) == (0, "org/model: sound, nothing to repair\n")


def test_repair_brings_back_the_commit_the_cache_holds_and_not_a_newer_one(desk, model, rotten):
    desk.source.store.add("org/model", {"config.json": b"{}", SHARD: b"newer"})
    done = desk.ferry("cache", "repair", "model")
    assert done.code == 0, done.said
    assert digests(rotten) == digests(model)


def test_repair_of_a_name_that_nothing_has_lists_what_there_is(desk, rotten):
    done = desk.ferry("cache", "repair", "flux")
    assert done.code == 3
    assert "org/model" in done.err
