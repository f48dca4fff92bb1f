"""What needs no hub: starting up, listing a full cache, checking a large model, hashing it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.models import transformers_model, write_safetensors

from benchmarks.contestants import CONTESTANTS, Task, environment
from benchmarks.hubs import running_hub, store_folder
from benchmarks.measure import run
from benchmarks.repositories import build_diffusers, publish
from benchmarks.results import NO_LINK, Measurement
from hubferry.cache.store import Cache
from hubferry.model import Digests, RepoFile, RepoRef, Revision
from hubferry.serve import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results import Results

_HUBFERRY = str(Path(sys.executable).parent / "hubferry")
_REPEATS = 5
"""How often what takes milliseconds is run in each run of the benchmark."""

_SHARDS, _SHARD_BYTES = 29, 50_000_000_000 // 29


@dataclass(frozen=True, slots=True)
class _Race:
    """Commands that do the same thing, each by who does it."""

    cell: str
    commands: dict[str, list[str]]
    repeats: int = _REPEATS


def measure(results: Results, runs: int, *, small: int, tell: Callable[[str], None]) -> None:
    """Add what needs no hub to the results; everything is `small` times smaller, or 1."""
    with store_folder(4 << 30) as folder:
        home = folder / "home"
        home.mkdir()
        _run(results, _empty(), home, runs, tell)
        _fill(home / ".cache/model_transfer", 1000 // small)
        count = f"{1000 // small:,}"
        _run(results, _Race(f"cache list, {count} models", _ours("cache", "list")), home, runs, tell)
        large = transformers_model(
            folder / "large", shards=_SHARDS, shard_size=_SHARD_BYTES // small // 2 * 2, sparse=True
        )
        title = f"cache check, {50 // small} GB"
        _run(results, _Race(title, _ours("cache", "check", str(large))), home, runs, tell)
    with tempfile.TemporaryDirectory(prefix="hubferry-bench-") as scratch:
        _verify(results, Path(scratch), runs, 1024 // small, tell)


def _ours(*words: str) -> dict[str, list[str]]:
    return {"hubferry": [_HUBFERRY, *words]}


def _empty() -> _Race:
    bare = {"python": [sys.executable, "-c", "pass"]}
    return _Race("cache list, empty", bare | _ours("cache", "list"))


def _verify(results: Results, folder: Path, runs: int, mebibytes: int, tell: Callable[[str], None]) -> None:
    """Fetch a model, then hash all of it with hubferry and with as many sha256sum as there are cores."""
    home = folder / "home"
    with store_folder(2 << 30) as root:
        repository = publish(Store(root), "diffusers", lambda made: build_diffusers(made, mebibytes))
        with running_hub(root, "source") as hub:
            task = Task(repository, hub.url, hub.url)
            command = CONTESTANTS["hubferry-fetch"].command(task)
            fetched = run(command, environment(task, home), home, folder / "fetch.log")
    if fetched.code:
        tell(f"cache verify FAILED: {(folder / 'fetch.log').read_text()[-500:]}")
        return
    commands = {"sha256sum": _hash_all("sha256sum")}
    if shutil.which("openssl"):
        commands["openssl"] = _hash_all("openssl dgst -sha256")
    race = _Race("cache verify", commands | _ours("cache", "verify", "--full", "--all"), repeats=1)
    _run(results, race, home, runs, tell)


def _hash_all(program: str) -> list[str]:
    """Return a command that hashes every file of the cache, as many at once as there are cores."""
    files = "find .cache/model_transfer -name .hubferry -prune -o -type f -print0"
    return ["bash", "-c", f"{files} | xargs -0 -n1 -P{os.cpu_count()} {program}"]


def _run(results: Results, race: _Race, home: Path, runs: int, tell: Callable[[str], None]) -> None:
    log = home.with_suffix(".log")
    words = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}
    for _number in range(runs * race.repeats):
        for who, command in race.commands.items():
            usage = replace(run(command, words, home, log), disk=0)
            fault = f"exit code {usage.code}\n{log.read_text()[-500:]}" if usage.code else None
            results.measurements.append(Measurement(race.cell, NO_LINK, who, usage, fault=fault))
            if fault:
                tell(f"{race.cell} {who} FAILED: {fault}")
                return
    tell(f"{race.cell}: " + ", ".join(_median(results, race.cell, who) for who in race.commands))


def _median(results: Results, cell: str, who: str) -> str:
    return f"{who} {results.median(cell, NO_LINK, who, lambda one: one.usage.wall) or 0:.3f} s"


def _fill(root: Path, count: int) -> None:
    """Put `count` small whole models into a cache, recorded as fetched ones are."""
    with tempfile.TemporaryDirectory() as folder:
        shard = write_safetensors(Path(folder) / "model.safetensors", {"weight": 1024}).read_bytes()
    cache = Cache(root, roots=())
    for number in range(count):
        content = {
            "README.md": b"# A model\n",
            "config.json": json.dumps({"model_type": "llama", "number": number}).encode(),
            "model.safetensors": shard,
        }
        ref = RepoRef("hf", f"bench/model-{number:04}")
        model = cache.open(ref)
        files = _listed(content)
        with model.hold(wait=None):
            model.put_many(files)
            model.finish(Revision(ref, f"{number:040x}"), [file for file, _bytes, _digests in files])


def _listed(content: dict[str, bytes]) -> Sequence[tuple[RepoFile, bytes, Digests]]:
    listed = []
    for path, data in content.items():
        digest = sha256(data).hexdigest()
        listed.append((RepoFile(path, len(data), digest), data, Digests(len(data), digest)))
    return listed
