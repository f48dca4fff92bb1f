"""What never arrived goes with `prune --partial`; what a person chose stays."""

from __future__ import annotations

import hashlib
import shutil
import time

import pytest
from tests import models

from hubferry.cache import clean
from hubferry.cache.check import State, check_model
from hubferry.cache.listing import list_models
from hubferry.cache.retention import Policy, Reason
from hubferry.cache.store import Cache
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")
FILES = {"README.md": b"# model\n", "config.json": b"{}\n", "a.bin": b"\xff" * 99, "b.bin": b"\xfe" * 99}


def digests(content):
    return Digests(len(content), hashlib.sha256(content).hexdigest())


def listed(files):
    return [RepoFile(path, len(content), digests(content).sha256) for path, content in files.items()]


def bring(tmp_path, *names, wanted=FILES, files=FILES, commit="c"):
    """Bring in the files called `names` of those that are wanted, as a transfer does that ends there."""
    directory = Cache(tmp_path / "root", roots=()).open(REF)
    with directory.hold(wait=0):
        directory.expect(Revision(REF, commit * 40), listed(files), set(wanted))
        directory.put_many(
            [
                (file, files[file.path], digests(files[file.path]))
                for file in listed(files)
                if file.path in names
            ]
        )
        directory.settle()
    return directory.path


def judged(path):
    state = check_model(path)
    return state.verdict, state.interrupted


def pruned(path):
    chosen = clean.plan_prune(list_models([path.parent]), Policy(partial=True), now=time.time())
    return [(model.path, reason) for model, reason in chosen] == [(path, Reason.PARTIAL)]


def test_a_transfer_that_was_interrupted_never_arrived(tmp_path):
    path = bring(tmp_path, "README.md", "a.bin")
    assert judged(path) == (State.PARTIAL, True)
    assert pruned(path)


def test_all_that_was_asked_for_has_arrived(tmp_path):
    path = bring(tmp_path, "a.bin", wanted=["a.bin"])
    assert judged(path) == (State.PART, False)
    assert not pruned(path)


def test_a_selection_of_which_something_lacks_never_arrived(tmp_path):
    path = bring(tmp_path, "README.md", wanted=["README.md", "a.bin"])
    assert judged(path) == (State.PARTIAL, True)


def test_a_selection_that_had_arrived_stays_when_the_next_one_is_interrupted(tmp_path):
    bring(tmp_path, "a.bin", wanted=["a.bin"])
    path = bring(tmp_path, wanted=["b.bin"])
    assert judged(path) == (State.PARTIAL, False)
    assert not pruned(path)


def test_what_a_person_removed_from_a_whole_model_is_no_interruption(tmp_path):
    path = bring(tmp_path, *FILES)
    assert judged(path) == (State.WHOLE, False)
    (path / "b.bin").unlink()
    assert judged(path) == (State.PARTIAL, False)
    assert not pruned(path)


def test_what_a_person_put_into_an_interrupted_model_keeps_it(tmp_path):
    path = bring(tmp_path, "README.md", "a.bin")
    models.write_file(path / ".DS_Store", b"left by a file manager")
    assert judged(path) == (State.PARTIAL, True)
    models.write_safetensors(path / "my_lora.safetensors", {"a": 8})
    assert judged(path) == (State.PARTIAL, False)
    assert not pruned(path)


def test_a_newer_commit_that_never_arrived_in_place_of_an_old_one_goes(tmp_path):
    bring(tmp_path, *FILES)
    newer = {**FILES, "a.bin": b"\xfc" * 99}
    path = bring(tmp_path, *newer.keys() - {"a.bin"}, files=newer, commit="d")
    (path / "a.bin").unlink(missing_ok=True)
    assert judged(path) == (State.PARTIAL, True)


def test_a_shard_that_is_missing_from_somebodys_folder_is_shown_and_nothing_removed(tmp_path):
    path = models.transformers_model(tmp_path / "root/model", shards=3, shard_size=600)
    (path / "model-00002-of-00003.safetensors").unlink()
    assert judged(path) == (State.PARTIAL, False)
    assert not pruned(path)


@pytest.mark.parametrize(
    "name", [".cache/huggingface/download/x.incomplete", "._____temp/model.safetensors", "model.aria2"]
)
def test_a_folder_where_a_download_broke_off_before_the_weights_goes(tmp_path, name):
    path = tmp_path / "root/model"
    models.write_readme(path, title="x")
    assert judged(path) == (State.UNKNOWN, False)
    models.write_file(path / name, b"half")
    assert judged(path) == (State.PARTIAL, True)
    assert pruned(path)


def test_a_weight_that_arrived_beside_a_download_that_broke_off_stays(tmp_path):
    path = tmp_path / "root/model"
    models.write_gguf(path / "q4.gguf", {"a": 64})
    models.write_file(path / ".cache/huggingface/download/q8.incomplete", b"half")
    assert judged(path) == (State.PARTIAL, False)
    assert not pruned(path)


def test_a_model_in_one_file_stays_though_another_beside_it_never_arrived(tmp_path):
    path = tmp_path / "root/model"
    models.write_gguf(path / "q8-00001-of-00003.gguf", {"a": 64})
    models.write_file(path / ".cache/huggingface/download/q8.incomplete", b"half")
    assert judged(path) == (State.PARTIAL, True)
    models.write_gguf(path / "q4.gguf", {"a": 64})
    assert judged(path) == (State.PARTIAL, False)
    assert not pruned(path)


def test_a_first_transfer_of_which_only_a_half_file_is_here_never_arrived(tmp_path):
    directory = Cache(tmp_path / "root", roots=()).open(REF)
    with directory.hold(wait=0):
        directory.put_many([(listed(FILES)[0], FILES["README.md"], digests(FILES["README.md"]))])
    assert judged(directory.path) == (State.UNKNOWN, False)
    models.write_file(directory.path / ".hubferry/partial/abc", b"half")
    assert judged(directory.path) == (State.PARTIAL, True)


def test_an_empty_directory_has_nothing_to_lose(tmp_path):
    (tmp_path / "root/model").mkdir(parents=True)
    assert judged(tmp_path / "root/model") == (State.PARTIAL, True)
    (tmp_path / "root/model/link").symlink_to("nowhere")
    assert judged(tmp_path / "root/model") == (State.PARTIAL, False)


def test_a_broken_model_is_for_a_person_to_judge(tmp_path):
    path = bring(tmp_path, "README.md", "a.bin")
    shutil.copy(path / "README.md", path / "a.bin")
    assert judged(path) == (State.BROKEN, False)
    assert not pruned(path)


def test_a_hubs_own_cache_is_not_judged_by_one_of_its_snapshots(tmp_path):
    cache = tmp_path / "root/models--org--llm"
    models.transformers_model(cache / "snapshots/old", shards=1, shard_size=600)
    models.write_file(cache / "refs/main", b"new")
    (cache / "snapshots/new").mkdir()
    assert judged(cache) == (State.PARTIAL, False)
    assert not pruned(cache)
