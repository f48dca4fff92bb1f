"""The official clients through a mirror of either dialect: cold, warm, and with upstream gone."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mirroring import ask
from servers import running_hub, sdk_environment

BIN = Path(sys.executable).parent
LARGE = random.Random("mirror clients 1").randbytes(3_000_000)
FILES = {
    "README.md": b"---\nlicense: mit\n---\n# a model\n",
    "config.json": b'{"a": 1}',
    "sub folder/a b.txt": b"blank",
    "model.safetensors": LARGE,
    "small.bin": b"\0small",
}


def run(*line, environment, code=0):
    words = [str(word) for word in line]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr


def content(folder: Path) -> dict[str, bytes]:
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }
    return {name: data for name, data in found.items() if name in FILES}


@contextlib.contextmanager
def two_worlds(tmp_path, make_mirror, **options):
    """A mirror of a hub that is gone when `gone` is called."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(running_hub(tmp_path / "hub"))
        upstream.store.add("org/model", FILES)
        upstream.store.add("org/data", FILES, kind="dataset")
        yield make_mirror(hf=upstream.url, ms=upstream.url, **options), stack.close


def by_huggingface(mirror, target, environment):
    code = (
        "import sys, huggingface_hub as h\n"
        "h.snapshot_download('org/model', local_dir=sys.argv[1])\n"
        "h.snapshot_download('org/data', repo_type='dataset', local_dir=sys.argv[1] + '-data')\n"
        "info = h.HfApi().model_info('org/model', files_metadata=True)\n"
        "assert {s.rfilename for s in info.siblings} >= {'README.md', 'model.safetensors'}\n"
        "fs = h.HfFileSystem()\n"
        "assert fs.cat_file('org/model/config.json') == b'{\"a\": 1}'\n"
        "assert fs.open('org/model/model.safetensors').read(10) == "
        "open(sys.argv[1] + '/model.safetensors', 'rb').read(10)\n"
        "assert any(p.endswith('sub folder') for p in fs.ls('org/model', detail=False))\n"
        "assert h.HfApi().list_repo_refs('org/model').branches[0].name == 'main'\n"
    )
    run(sys.executable, "-c", code, target, environment=environment)
    assert content(Path(f"{target}-data")) == FILES


def by_hf(mirror, target, environment):
    run(BIN / "hf", "download", "org/model", "--local-dir", target, environment=environment)


def by_modelscope(mirror, target, environment):
    run(BIN / "modelscope", "download", "org/model", "--local_dir", target, environment=environment)


CLIENTS = {"huggingface_hub": by_huggingface, "hf": by_hf, "modelscope": by_modelscope}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_downloads_cold_and_warm_and_with_upstream_gone(client, tmp_path, make_mirror):
    with two_worlds(tmp_path, make_mirror, ttl=0.0) as (mirror, gone):
        for state in ("cold", "warm", "gone"):
            if state == "gone":
                mirror.settle()
                gone()
            environment = sdk_environment(tmp_path / f"home-{state}") | {
                "HF_ENDPOINT": mirror.url,
                "MODELSCOPE_ENDPOINT": mirror.url,
            }
            CLIENTS[client](mirror, tmp_path / state, environment)
            assert content(tmp_path / state) == FILES, state


def interrupted(address: str, place: Path, count: int) -> None:
    place.write_bytes(ask(address).body[:count])


@pytest.mark.parametrize("command", ["curl", "wget", "aria2c"])
def test_a_download_that_was_interrupted_is_gone_on_with(command, tmp_path, upstream, mirror):
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    upstream.store.add("org/model", FILES)
    address = f"{mirror.url}/org/model/resolve/main/model.safetensors"
    place = tmp_path / "model.safetensors"
    environment = sdk_environment(tmp_path / "home")
    for number in range(2):  # while it arrives, and from the cache
        place.write_bytes(LARGE[: 1_000_000 + number])
        lines = {
            "curl": ["curl", "-sfL", "-C", "-", "-o", place, address],
            "wget": ["wget", "-q", "-c", "-O", place, address],
            "aria2c": [
                "aria2c",
                "-x16",
                "-k1M",
                "-q",
                "--allow-overwrite",
                "-d",
                tmp_path,
                "-o",
                place.name,
                address,
            ],
        }
        run(*lines[command], environment=environment)
        assert place.read_bytes() == LARGE
        mirror.settle()
