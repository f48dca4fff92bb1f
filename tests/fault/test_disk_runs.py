"""A whole copy on a disk that fails once: a sentence, nothing wrong published, and it heals."""

from __future__ import annotations

import errno
import hashlib
import random
import sys
from pathlib import Path

import pytest

import forked

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parent))

from disk_faults import ERRNOS, Faults, never_waiting
from servers import running_hub, sdk_environment

from hubferry import api
from hubferry.errors import HubferryError
from hubferry.options import Access, Options

FILES = {
    "model.safetensors": random.Random(1).randbytes(1024 * 1024 + 300_000),
    "config.json": b"{}",
    "sub/vocab.json": b'{"a": 1}',
    "tokenizer.model": b"t" * 5000,
    "twin.model": b"t" * 5000,
}
WANTED = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}


@pytest.fixture
def hubs(tmp_path, monkeypatch):
    home = tmp_path / "home"
    for name, value in sdk_environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HUBFERRY_LOCK", raising=False)
    with running_hub(tmp_path / "source") as source, running_hub(tmp_path / "destination") as destination:
        source.store.add("org/model", FILES)
        yield source, destination


def published(hub, repo_id):
    repository = hub.store.find(repo_id)
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}


class Runs:
    """Copies into a cache each, to a repository each."""

    def __init__(self, hubs, top):
        self.hubs = hubs
        self.top = top

    def options(self, name):
        source, destination = self.hubs
        return Options(
            source=Access(source.token, source.url),
            destination=Access(destination.token, destination.url),
            cache_root=self.top / name,
        )

    def copy(self, name):
        return api.copy("hf:org/model", f"ms:mine/{name}", self.options(name))

    def assert_nothing_wrong(self, name):
        for found in (self.top / name / "org_model").rglob("*"):
            path = found.relative_to(self.top / name / "org_model").as_posix()
            if found.is_file() and not path.startswith(".hubferry"):
                assert hashlib.sha256(found.read_bytes()).hexdigest() == WANTED[path]
        there = published(self.hubs[1], f"mine/{name}") if self._exists(name) else {}
        assert there in ({}, WANTED)

    def _exists(self, name):
        return f"mine/{name}" in {one.record.repo_id for one in self.hubs[1].store.repositories()}


def outcome(runs, name):
    try:
        assert runs.copy(name).verified
    except HubferryError as error:
        return error
    return None


def sweep(runs, turns):
    for turn, number in turns:
        name = f"m{turn}-{number}"
        faults = Faults(turn, number)
        with faults.installed():
            error = outcome(runs, name)
        if error is not None:
            told = f"{faults.names[turn - 1]}, operation {turn}: {error}"
            assert error.exit_code == 7, told
            assert error.side == "cache", told
        runs.assert_nothing_wrong(name)
        assert runs.copy(name).verified
        assert published(runs.hubs[1], f"mine/{name}") == WANTED


def test_a_copy_whose_disk_fails_once_publishes_nothing_wrong_and_the_next_one_all(hubs, tmp_path):
    runs = Runs(hubs, tmp_path / "caches")
    with never_waiting():
        count = Faults()
        with count.installed():
            runs.copy("whole")
        turns = range(1, count.reached, 4)
        sweep(runs, [(turn, ERRNOS[turn // 4 % len(ERRNOS)]) for turn in turns])
    assert len(turns) > 30


@pytest.mark.nightly
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_a_copy_whose_disk_fails_at_any_operation_heals(hubs, tmp_path, number):
    runs = Runs(hubs, tmp_path / "caches")
    with never_waiting():
        count = Faults()
        with count.installed():
            runs.copy("whole")
        sweep(runs, [(turn, number) for turn in range(1, count.reached + 1)])


PLANT = """
import os, sys
from hubferry.cache.disk import disk
name, number, fails = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
honest, turn = getattr(disk, name), 0
def operation(*arguments, **keywords):
    global turn
    turn += 1
    if turn >= fails:
        raise OSError(number, os.strerror(number))
    return honest(*arguments, **keywords)
setattr(disk, name, operation)
sys.argv[1:] = sys.argv[4:]
from hubferry.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("operation", "number", "turn"),
    [
        ("pwrite_all", errno.ENOSPC, 2),
        ("fsync", errno.EIO, 1),
        ("mkdir", errno.EACCES, 2),
        ("open", errno.EMFILE, 5),
        ("replace", errno.EIO, 1),
        ("append", errno.ENOSPC, 1),
        ("read_record", errno.EIO, 1),
    ],
)
def test_the_command_says_what_is_wrong_with_the_disk_and_heals(hubs, tmp_path, operation, number, turn):
    environment = sdk_environment(tmp_path / "home", hf=hubs[0], ms=hubs[1]) | {"LC_ALL": "C.UTF-8"}
    words = ["copy", "hf:org/model", "ms:mine/model", "--quiet"]
    failing = [sys.executable, "-c", PLANT, operation, str(number), str(turn), *words]
    failed = forked.run(failing, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode == 7, failed.stderr
    assert "error: " in failed.stderr
    assert "Traceback" not in failed.stderr
    whole = [sys.executable, "-m", "hubferry", *words]
    healed = forked.run(whole, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert healed.returncode == 0, healed.stderr
    assert published(hubs[1], "mine/model") == WANTED
