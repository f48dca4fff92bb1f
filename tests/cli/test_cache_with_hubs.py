"""The cache of real transfers: what goes wrong on the disk is found, and one fetch mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest
from desks import digests

import forked

SHARD = "model-00002-of-00002.safetensors"


@pytest.fixture
def cached(desk, model):
    """The model, fetched into the cache."""
    done = desk.ferry("fetch", "-q", "hf:org/model")
    assert done.code == 0, done.said
    return desk.home / "cache/org_model"


def flip(path):
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)
        file.seek(-100, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))


def fetched(desk):
    done = desk.ferry("fetch", "-q", "--json", "hf:org/model")
    assert done.code == 0, done.said
    return done.json()["fetched"]


def test_a_fetched_model_is_whole_as_it_was_verified(desk, cached):
    done = desk.ferry("cache", "check")
    assert done.code == 0
    assert done.out == "org/model: whole, 12 files, 194.1 KiB, as it was verified\n"
    (listed,) = desk.ferry("cache", "list", "--json").json()["models"]
    assert (listed["repository"], listed["hub"], listed["state"]) == ("org/model", "hf", "whole")
    assert len(listed["commit"]) == 40


def test_a_cut_byte_of_a_verified_file_is_found_and_one_fetch_mends_only_that_file(desk, model, cached):
    os.truncate(cached / SHARD, (cached / SHARD).stat().st_size - 1)
    done = desk.ferry("cache", "check", "model")
    assert done.code == 6
    size = (model / SHARD).stat().st_size
    assert f"  {SHARD} has {size - 1} bytes, and {size} were verified" in done.out
    command = done.out.splitlines()[-1].removeprefix("  -> ").split()
    assert command[:2] == ["hubferry", "fetch"]
    mended = desk.ferry("fetch", "-q", "--json", command[2])
    assert mended.json()["fetched"] == size
    assert digests(cached) == digests(model)
    assert desk.ferry("cache", "check").code == 0


def test_a_missing_shard_of_a_verified_model_is_found(desk, cached):
    (cached / SHARD).unlink()
    done = desk.ferry("cache", "check")
    assert done.code == 6
    assert f"  {SHARD} is missing" in done.out


def test_one_flipped_byte_is_found_by_verify_and_mended_by_fetching_only_that_file(desk, model, cached):
    flip(cached / SHARD)
    seen = desk.ferry("cache", "check")
    assert seen.code == 0
    assert "1 file changed since it was verified, and was not read" in seen.out
    done = desk.ferry("cache", "verify", "model")
    assert done.code == 6
    assert f"  {SHARD} hashes to " in done.out
    assert done.err.splitlines()[-1] == "error: 1 file is wrong or missing"
    assert desk.ferry("cache", "check").code == 6
    assert fetched(desk) == (model / SHARD).stat().st_size
    assert digests(cached) == digests(model)
    assert desk.ferry("cache", "verify", "--full").code == 0


def test_verify_says_the_same_as_json(desk, cached):
    flip(cached / SHARD)
    done = desk.ferry("cache", "verify", "--json")
    assert done.code == 6
    (found,) = done.json()["models"]
    assert not found["sound"]
    assert {one["path"]: one["outcome"] for one in found["files"]}[SHARD] == "broken"
    assert found["hashed"] == (cached / SHARD).stat().st_size


def test_a_directory_that_was_removed_by_hand_is_fetched_anew_and_nothing_else_disturbed(desk, model, cached):
    shutil.copytree(cached, desk.home / "cache/other")
    before = digests(desk.home / "cache/other")
    shutil.rmtree(cached)
    assert fetched(desk) == sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    assert digests(cached) == digests(model)
    assert digests(desk.home / "cache/other") == before


def test_clean_during_a_running_transfer_is_refused(desk, model):
    command = [sys.executable, "-m", "hubferry", "fetch", "hf:org/model", "--bwlimit", "8K"]
    running = forked.Popen(
        command, env=desk.environment, cwd=desk.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _attempt in range(600):
            done = desk.ferry("cache", "clean", "--force")
            if done.code == 8:
                break
            assert done.err == "there is nothing to remove\n"
            time.sleep(0.05)
        assert done.err.splitlines()[0].startswith("error: org/model is in use by process ")
        assert desk.ferry("cache", "prune", "--partial").code == 0
        assert (desk.home / "cache/org_model").is_dir()
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()
    assert desk.ferry("cache", "list", "--json").json()["models"][0]["state"] in ("partial", "unknown")
    assert desk.ferry("cache", "clean", "--force").code == 0
    assert not (desk.home / "cache/org_model").exists()


def test_what_was_not_published_stays_when_asked(desk, model, cached):
    prune = ("cache", "prune", "--keep-last", "0", "--keep-unpublished", "--json")
    assert desk.ferry(*prune).json()["models"] == []
    assert desk.ferry("copy", "-q", "hf:org/model", "ms:mine/model").code == 0
    assert [one["published"] for one in desk.ferry(*prune).json()["models"]] == [["ms:mine/model"]]
    assert not cached.exists()
