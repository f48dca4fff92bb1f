"""Indexes without their shards, numbers without a total, names without files: what counts as evidence."""

from __future__ import annotations

import struct

import pytest
from tests import layouts, models
from tests.weights import SMALL, openvino

from hubferry.cache.check import Kind, State, check_model, check_model_exists
from hubferry.cache.formats import is_weight
from hubferry.cache.shards import gaps_of, sets_of

INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}


def found(directory):
    state = check_model(directory)
    return state.verdict, {problem.path: problem.kind for problem in state.problems}


@pytest.fixture
def stale(tmp_path):
    """A model whose index names shards of which none is here."""
    layouts.language_model(tmp_path)
    models.write_json(tmp_path / "model.safetensors.index.json", INDEX)
    return tmp_path


def test_an_index_without_shards_and_anything_in_their_place_lacks_them(stale):
    names = INDEX["weight_map"].values()
    assert found(stale) == (State.PARTIAL, {**dict.fromkeys(names, Kind.MISSING), "./": Kind.NOTE})


@pytest.mark.parametrize("name", ["model.safetensors", "model.fp16.safetensors"])
def test_what_a_library_loads_before_the_shards_replaces_them(stale, name):
    models.write_safetensors(stale / name, SMALL)
    assert found(stale) == (State.WHOLE, {})
    assert check_model_exists(stale)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "q4.gguf", "consolidated.00.pth"])
def test_what_a_library_loads_only_after_the_shards_leaves_it_unknown(stale, name):
    if name.endswith(".gguf"):
        models.write_gguf(stale / name, SMALL)
    else:
        models.write_pytorch_zip(stale / name, 800)
    assert found(stale) == (State.UNKNOWN, {"model.safetensors.index.json": Kind.NOTE})
    assert check_model_exists(stale)


def test_some_of_the_shards_are_evidence_of_the_others_whatever_is_beside_them(stale):
    models.write_safetensors(stale / "model.safetensors", SMALL)
    models.write_safetensors(stale / "model-00001-of-00002.safetensors", SMALL)
    assert found(stale) == (State.PARTIAL, {"model-00002-of-00002.safetensors": Kind.MISSING})


def test_some_of_the_files_that_an_index_names_are_evidence_of_the_others_without_any_numbers(stale):
    models.write_json(stale / "model.safetensors.index.json", {"weight_map": {"a": "a.bin", "b": "b.bin"}})
    models.write_safetensors(stale / "model.safetensors", SMALL)
    assert found(stale) == (State.WHOLE, {})
    models.write_pytorch_zip(stale / "a.bin", 400)
    assert found(stale) == (State.PARTIAL, {"b.bin": Kind.MISSING})


def test_diffusers_loads_an_index_before_a_merged_file(tmp_path):
    layouts.stable_diffusion(tmp_path)
    path = tmp_path / "unet/diffusion_pytorch_model.safetensors.index.json"
    names = {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}
    models.write_json(path, {"weight_map": names})
    index = path.relative_to(tmp_path).as_posix()
    assert found(tmp_path) == (State.UNKNOWN, {index: Kind.NOTE})


def test_shards_beside_the_same_weights_in_one_file_need_no_index(tmp_path):
    layouts.qwen(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    assert found(tmp_path)[0] is State.PARTIAL
    models.write_safetensors(tmp_path / "model.safetensors", SMALL)
    assert found(tmp_path) == (State.WHOLE, {})


@pytest.mark.parametrize(
    ("here", "missing"),
    [
        (["m-00001-of-000163.bin"], "m-00002-of-000163.bin"),
        (["m_2-of-3.bin", "m_3-of-3.bin"], "m_1-of-3.bin"),
        (["00002-of-00002.safetensors"], "00001-of-00002.safetensors"),
        (["x/a_of_b-1_of_2.pt"], "x/a_of_b-2_of_2.pt"),
        (["m-00000-of-00003.bin", "m-00002-of-00003.bin"], "m-00001-of-00003.bin"),
        (["m.fp16-00001-of-00002.safetensors"], "m.fp16-00002-of-00002.safetensors"),
        (["m-00001-of-00002.fp16.safetensors"], "m-00002-of-00002.fp16.safetensors"),
        (["m-00001-of-00002.Q4_K_M.gguf"], "m-00002-of-00002.Q4_K_M.gguf"),
        (["big.gguf.part2of2"], "big.gguf.part1of2"),
        (["Qwen2-72B-1-of-2.gguf"], "Qwen2-72B-2-of-2.gguf"),
        (["t.ckpt.index", "t.ckpt.data-00001-of-00002"], "t.ckpt.data-00000-of-00002"),
    ],
)
def test_a_shard_that_is_missing_is_found_however_it_is_numbered(here, missing):
    (one,) = sets_of(here)
    assert missing in [path for _number, path in one.missing()]


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002.parquet"],
        ["notes-1-of-2.txt"],
        ["x.data-00000-of-00002"],
        ["model.safetensors"],
        ["v1of2.bin"],
    ],
)
def test_numbers_of_other_files_are_no_shards(names):
    assert sets_of(names) == []


def test_shards_from_zero_and_from_one_are_all_there():
    for first in (0, 1):
        (one,) = sets_of([f"m-{number:05}-of-00003.bin" for number in range(first, first + 3)])
        assert (one.lacking, list(one.missing())) == (0, [])


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["consolidated.00.pth", "consolidated.02.pth"], ["consolidated.01.pth"]),
        (["rank1.engine"], ["rank0.engine"]),
        (["a.gguf-split-a"], ["a.gguf-split-b"]),
        (["a.gguf-split-c", "a.gguf-split-a"], ["a.gguf-split-b"]),
        (["rank16.safetensors", "weights.10.pt", "ckpt-5.pt", "data-split-a"], []),
        (["consolidated.00.pth"], []),
    ],
)
def test_gaps_are_found_only_among_numbers_that_count_parts(names, missing):
    assert list(gaps_of(names)) == missing


def test_names_of_weights():
    weights = ["a.PKL", "b.mnn.weight", "c.gguf.part1of2", "ner/model", "t.data-0-of-1", "e.engine"]
    others = [
        "optimizer.pt",
        "tokenizer.model",
        "model.py",
        "a.part1of2",
        "spiece.spm",
        "weight",
        "train.data",
    ]
    assert [name for name in weights + others if is_weight(name)] == weights


@pytest.mark.parametrize(
    ("settings", "beside"),
    [
        ({"tokenizer_class": "HyenaDNATokenizer", "auto_map": {}}, ["config.json"]),
        ({"tokenizer_class": "CharacterTokenizer"}, ["tokenization_character.py"]),
        ({"tokenizer_class": "ProphetNetTokenizer"}, ["prophetnet.tokenizer"]),
        ({"tokenizer_class": "JukeboxTokenizer"}, ["artists.json", "genres.json", "lyrics.json"]),
        ({"tokenizer_class": "MyT5Tokenizer"}, ["byte_maps.json"]),
        ({"chat_template": "x"}, ["q4.gguf"]),
    ],
)
def test_a_tokenizer_that_needs_no_vocabulary_file_is_whole(tmp_path, settings, beside):
    models.write_readme(tmp_path, title="x")
    models.write_safetensors(tmp_path / "model.safetensors", SMALL)
    models.write_json(tmp_path / "tokenizer_config.json", settings)
    for name in beside:
        models.write_gguf(tmp_path / name, SMALL) if name.endswith(".gguf") else models.write_json(
            tmp_path / name, {}
        )
    assert found(tmp_path) == (State.WHOLE, {})


def test_a_network_without_constants_has_empty_weights(tmp_path):
    openvino(tmp_path / "openvino_detokenizer.xml", 0)
    models.write_readme(tmp_path, title="x")
    assert found(tmp_path) == (State.UNKNOWN, {})
    (tmp_path / "openvino_detokenizer.xml").unlink()
    assert found(tmp_path)[0] is State.BROKEN


@pytest.mark.parametrize("values", [None, 3, [], {"a": 3}, [3], [{"path": 3, "type": 4}], {"mapping": 5}])
@pytest.mark.parametrize(
    "name",
    ["modules.json", "model_index.json", "llm_config.json", "X.mlpackage/Manifest.json", "config.json"],
)
def test_what_names_other_files_may_say_anything(tmp_path, name, values):
    layouts.tensorrt_llm(tmp_path)
    models.write_json(tmp_path / name, values)
    assert check_model(tmp_path).verdict in {State.UNKNOWN, State.PARTIAL}


def headed(length, *numbers):
    return struct.pack("<I4s4sIQQQ", 40, b"ET12", b"eh00", length, *numbers).ljust(600, b"\1")


@pytest.mark.parametrize(
    ("name", "content", "verdict"),
    [
        ("a.pte", headed(32, 600, 0, 0), State.WHOLE),
        ("a.pte", headed(32, 601, 0, 0), State.BROKEN),
        ("a.pte", headed(24, 500, 512, 9999), State.UNKNOWN),
        ("a.pte", headed(24, 500, 700, 0), State.BROKEN),
        ("a.pte", b"\x10\0\0\0ET12" + b"\1" * 900, State.UNKNOWN),
        ("a.pte", b"\xff" * 9, State.UNKNOWN),
        ("a.litertlm", b"\xff" * 9, State.UNKNOWN),
        ("a.litertlm", struct.pack("<8s16xQ", b"LITERTLM", 900) + b"\1" * 99, State.BROKEN),
        ("a.litertlm", struct.pack("<8s16xQ", b"LITERTLM", 99) + b"\xff" * 99, State.UNKNOWN),
        ("a.litertlm", struct.pack("<8s16xQ", b"LITERTLM", 99) + b"\0" * 99, State.UNKNOWN),
        ("a.joblib", b"\x1f\x8b" + b"\xff" * 99, State.UNKNOWN),
        ("a.joblib", b"x\x9c" + b"\xff" * 99, State.UNKNOWN),
        ("a.pkl", b"(dp0\nS'a'\np1\nI5\ns.", State.UNKNOWN),
        ("a.pkl", b"(lp0\nI1\naI2\na.", State.UNKNOWN),
        ("a.pkl", b"Entry not found.\n", State.BROKEN),
        ("a.engine", b"version https://git-lfs.github.com/spec/v1\n", State.BROKEN),
        ("a.mnn", b"", State.BROKEN),
    ],
)
def test_a_header_proves_what_it_says_and_no_more(tmp_path, name, content, verdict):
    models.write_readme(tmp_path, title="x")
    models.write_file(tmp_path / name, content)
    assert check_model(tmp_path).verdict is verdict


def test_a_text_under_a_name_that_other_programs_use_is_no_broken_model(tmp_path):
    layouts.bert(tmp_path)
    models.write_file(tmp_path / "eval/arc.task", "dataset: arc\n")
    assert found(tmp_path) == (State.WHOLE, {})


def test_a_component_that_is_a_link_to_another_models_folder_is_not_missed(tmp_path):
    layouts.stable_diffusion(tmp_path / "model")
    (tmp_path / "model/vae").rename(tmp_path / "shared")
    assert found(tmp_path / "model")[0] is State.PARTIAL
    (tmp_path / "model/vae").symlink_to(tmp_path / "shared")
    assert found(tmp_path / "model") == (State.WHOLE, {})


def test_old_torch_files_under_a_pickles_name_end_with_their_tensors(tmp_path):
    models.write_readme(tmp_path, title="x")
    models.write_legacy_pytorch(tmp_path / "a.pkl", [400])
    models.write_pytorch_zip(tmp_path / "b.pkl", 400)
    assert found(tmp_path) == (State.WHOLE, {})
