"""The power goes while a whole copy runs: nothing wrong was published, and the next run ends it."""

from __future__ import annotations

import hashlib
import random
import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parent))

from servers import running_hub, sdk_environment
from volatile import PowerCut, VolatileDisk

from hubferry import api
from hubferry.options import Access, Options

FILES = {
    "model.safetensors": random.Random(1).randbytes(2 * 1024 * 1024 + 300_000),
    "config.json": b"{}",
    "sub/vocab.json": b'{"a": 1}',
    "tokenizer.model": b"t" * 5000,
    "twin.model": b"t" * 5000,
}
WANTED = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}


@pytest.mark.parametrize("start", [0, 6])
def test_a_copy_that_lost_its_power_publishes_nothing_wrong_and_is_ended_by_the_next(
    tmp_path, monkeypatch, start
):
    for name, value in sdk_environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    with running_hub(tmp_path / "source") as source, running_hub(tmp_path / "destination") as destination:
        source.store.add("org/model", FILES)
        for seed in range(start, start + 6):
            chance = random.Random(seed)
            top = tmp_path / f"disk-{seed}"
            top.mkdir()
            target = f"mine/model-{seed}"
            options = Options(
                source=Access(source.token, source.url),
                destination=Access(destination.token, destination.url),
                cache_root=top / "root",
            )
            disk = VolatileDisk(top, tmp_path / f"attic-{seed}", chance, chance.randrange(20, 250))
            with disk.installed(), suppress(PowerCut):
                api.copy("hf:org/model", f"ms:{target}", options)
            disk.cut()
            for found in (top / "root" / "org_model").rglob("*"):
                path = found.relative_to(top / "root" / "org_model").as_posix()
                if found.is_file() and not path.startswith(".hubferry"):
                    assert hashlib.sha256(found.read_bytes()).hexdigest() == WANTED[path], (seed, path)
            assert published(destination, target) in ({}, WANTED)
            assert api.copy("hf:org/model", f"ms:{target}", options).verified
            assert published(destination, target) == WANTED


def published(hub, repo_id):
    if repo_id not in {one.record.repo_id for one in hub.store.repositories()}:
        return {}
    repository = hub.store.find(repo_id)
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}
