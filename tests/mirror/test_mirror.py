"""A hub that mirrors another one."""

from __future__ import annotations

import json
import random

from mirroring import ask

LARGE = random.Random("mirror 1").randbytes(5_000_000)
FILES = {
    "README.md": b"# a model\n",
    "config.json": b'{"a": 1}',
    "weights/model.safetensors": LARGE,
    "weights/small.bin": b"\0small",
}


def test_a_file_comes_from_upstream_once_and_then_from_the_cache(upstream, mirror):
    commit = upstream.store.add("org/model", FILES).id
    address = f"{mirror.url}/org/model/resolve/main/weights/model.safetensors"
    first = ask(address)
    assert first.body == LARGE
    assert first.headers["X-Repo-Commit"] == commit
    mirror.settle()
    assert ask(address).body == LARGE
    assert mirror.counts.hits == 1
    assert mirror.counts.misses == 1
    assert mirror.counts.fetched == len(LARGE)


def test_everything_is_served_with_upstream_gone(upstream, mirror):
    upstream.store.add("org/model", FILES)
    for path, content in FILES.items():
        assert ask(f"{mirror.url}/org/model/resolve/main/{path}").body == content
    listing = json.loads(ask(f"{mirror.url}/api/models/org/model/tree/main?recursive=true").body)
    assert {entry["path"] for entry in listing if entry["type"] == "file"} == set(FILES)
