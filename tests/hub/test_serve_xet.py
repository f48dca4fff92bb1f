"""The real Xet client against a hub started with `--xet`."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from modelscope_hub import HubApi
from servers import TestHub, hub_process, sdk_environment

import forked
from hubferry.hubs.xet.folder import read_xet_file
from hubferry.serve import Store, XetStorage
from hubferry.serve.refusal import Refusal

WEIGHTS = random.Random("serve xet 1").randbytes(1_500_000)

UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("org/model", exist_ok=True)
api.upload_folder(repo_id="org/model", folder_path=sys.argv[1])
"""
DOWNLOAD = """
import hashlib, json, sys
from huggingface_hub import HfApi
path = HfApi().hf_hub_download("org/model", "w.safetensors", cache_dir=sys.argv[1])
entry = {e.path: e for e in HfApi().list_repo_tree("org/model")}["w.safetensors"]
print(json.dumps([hashlib.sha256(open(path, "rb").read()).hexdigest(), entry.xet_hash]))
"""


def python(code, *arguments, environment):
    line = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def xet_environment(home, served):
    hub = TestHub(served.url, None, token=served.token)
    return sdk_environment(home, hf=hub, ms=hub) | {"HF_HUB_DISABLE_XET": "0"}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.safetensors").write_bytes(WEIGHTS)
    (folder / "README.md").write_bytes(b"# hello\n")
    return folder


def test_what_the_xet_client_uploads_every_client_fetches(tmp_path, folder):
    home = tmp_path / "home"
    expected = hashlib.sha256(WEIGHTS).hexdigest()
    with hub_process(tmp_path / "hub", "--xet", environment=sdk_environment(home)) as served:
        environment = xet_environment(home, served)
        python(UPLOAD, folder, environment=environment)
        assert list((tmp_path / "hub" / "xet" / "shared" / "xet" / "xorbs" / "xorbs").iterdir())
        with ThreadPoolExecutor() as pool:
            readers = [
                pool.submit(python, DOWNLOAD, tmp_path / f"cache-{n}", environment=environment)
                for n in range(2)
            ]
            answers = [json.loads(reader.result()) for reader in readers]
        assert [answer[0] for answer in answers] == [expected, expected]
        assert len(answers[0][1]) == 64
        api = HubApi(endpoint=served.url, token=served.token)
        path = api.download_file("org/model", "model", "w.safetensors", cache_dir=str(tmp_path / "ms"))
        assert Path(path).read_bytes() == WEIGHTS
    with hub_process(tmp_path / "hub", environment=sdk_environment(home)) as served:
        answer = json.loads(python(DOWNLOAD, tmp_path / "plain", environment=xet_environment(home, served)))
        assert answer == [expected, None]


def test_without_xet_the_hub_hands_out_no_xet_token(hub):
    import requests

    hub.store.create("org/model")
    answer = requests.get(
        f"{hub.url}/api/models/org/model/xet-write-token/main",
        headers={"Authorization": f"Bearer {hub.token}"},
        timeout=10,
    )
    assert answer.status_code == 404
    assert "HF_HUB_DISABLE_XET" in answer.json()["error"]


def test_chunks_that_give_other_bytes_are_refused(tmp_path):
    store = Store(tmp_path)
    storage = XetStorage(tmp_path, lambda _address, _hash, _size: iter([b"other"]))
    from hubferry.serve import XetFile

    with pytest.raises(Refusal):
        storage.receive(XetFile("0" * 64, 5), hashlib.sha256(b"right").hexdigest(), store.blobs)


def test_xet_is_for_this_machine_only(tmp_path):
    line = [sys.executable, "-m", "hubferry", "serve", str(tmp_path / "hub"), "--xet", "--host", "0.0.0.0"]
    environment = sdk_environment(tmp_path / "home") | {"HUBFERRY_TOKEN": "secret-token"}
    done = forked.run(line, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "--xet" in done.stderr


def test_a_file_that_no_shard_knows_is_an_error(tmp_path):
    storage = XetStorage(tmp_path, read_xet_file)
    assert storage.find("0" * 64) is None
