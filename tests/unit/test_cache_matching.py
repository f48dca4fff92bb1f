"""Which models a name means."""

from __future__ import annotations

import pytest

from hubferry.cache.matching import Called, Precision, filtered, find, may_be_full, nearest
from hubferry.cache.names import directory_names
from hubferry.model import RepoRef


def called(repo_id, *, hub="hf", revision=None, commit="c" * 40, directory=None, repo_type="model"):
    ref = RepoRef(hub, repo_id, commit, repo_type)
    own = directory_names(RepoRef(hub, repo_id, revision))[0]
    return Called(directory or own, f"/root/{directory or own}", ref, revision)


def unrecorded(directory):
    return Called(directory, f"/root/{directory}")


def means(name, *there):
    numbers, precision = find(name, there)
    return [there[number].title for number in numbers], precision


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("org/model1", Precision.LITERAL),
        ("hf:org/model1", Precision.LITERAL),
        (f"hf:org/model1@{'c' * 40}", Precision.LITERAL),
        ("org_model1", Precision.LITERAL),
        ("/root/org_model1", Precision.LITERAL),
        ("Org/Model1", Precision.FULL),
        ("model1", Precision.OWN),
        ("MODEL1", Precision.OWN),
    ],
)
def test_a_whole_name_means_one_model_beside_others_that_it_is_a_part_of(name, precision):
    there = [called("org/model10"), called("org/model1"), called("org/model100")]
    assert means(name, *there) == (["org/model1"], precision)


def test_a_part_means_all_that_it_fits_in_any_case():
    there = [called("org/FLUX.1-dev"), called("org/flux.1-schnell"), called("org/other")]
    assert means("flux", *there) == (["org/FLUX.1-dev", "org/flux.1-schnell"], Precision.PART)
    assert means("llama", *there) == ([], Precision.NONE)
    assert means("llama") == ([], Precision.NONE)


def test_a_whole_name_in_two_roots_or_on_two_hubs_means_both():
    there = [called("org/m"), called("org/m", hub="ms", directory="org_m-12345678"), called("org/m2")]
    assert means("org/m", *there)[0] == ["org/m", "org/m"]
    assert find("ms:org/m", there)[0] == [1]
    assert find("org_m-12345678", there)[0] == [1]


def test_a_revision_is_a_part_of_the_whole_name():
    there = [called("org/m"), called("org/m", revision="v1.0")]
    assert find("org/m", there)[0] == [0]
    assert find("org/m@v1.0", there)[0] == [1]
    assert find("m@v1.0", there)[0] == [1]


def test_the_own_name_of_a_directory_without_records_follows_its_first_underscore():
    there = [unrecorded("org_model1"), unrecorded("org_model10")]
    assert find("model1", there) == ([0], Precision.OWN)
    assert find("model", there) == ([0, 1], Precision.PART)


def test_a_dataset_is_named_as_the_hub_does():
    assert find("hf:datasets/org/d", [called("org/d", repo_type="dataset")])[1] is Precision.LITERAL


@pytest.mark.parametrize(
    ("pattern", "titles"),
    [
        ("qwen", ["Qwen/Qwen3-8B", "Qwen/Qwen3-8B-GGUF", "mlx/qwen3"]),
        ("qwen/*", ["Qwen/Qwen3-8B", "Qwen/Qwen3-8B-GGUF"]),
        ("*-gguf", ["Qwen/Qwen3-8B-GGUF"]),
        ("qwen3*", ["Qwen/Qwen3-8B", "Qwen/Qwen3-8B-GGUF", "mlx/qwen3"]),
        ("hf:mlx", ["mlx/qwen3"]),
        ("root", []),
    ],
)
def test_a_list_is_filtered_by_a_glob_or_a_part(pattern, titles):
    there = [called("Qwen/Qwen3-8B"), called("Qwen/Qwen3-8B-GGUF"), called("mlx/qwen3")]
    assert [one.title for one in there if filtered(pattern, one)] == titles


def test_a_slip_gets_the_three_nearest_names():
    there = [called(f"org/model-{number}") for number in range(50)] + [called("meta-llama/Llama-3.1-8B")]
    assert nearest("meta-llama/Lama-3.1-8B", there) == ["meta-llama/Llama-3.1-8B"]
    assert nearest("lama-3.1-8b", there) == ["meta-llama/Llama-3.1-8B"]
    assert len(nearest("org/modell-1", there)) == 3
    assert "org/model-1" in nearest("org/modle-1", there)
    assert nearest("nothing like it", there) == []


@pytest.mark.parametrize("repo_id", ["org/model.v1", "gpt2", "a-b/c", "o/" + "x" * 300, "组织/模型"])
@pytest.mark.parametrize("revision", [None, "v1.0", "refs/pr/1"])
def test_every_directory_of_a_repository_may_have_its_whole_name(repo_id, revision):
    for directory in directory_names(RepoRef("hf", repo_id, revision)):
        there = called(repo_id, revision=revision, directory=directory)
        for name in there.full:
            assert may_be_full(name, directory) or name == there.path


def test_a_directory_that_no_repository_is_named_like_may_be_anybodys():
    assert may_be_full("black-forest-labs/FLUX.1-dev", "flux-dev")
    assert not may_be_full("black-forest-labs/FLUX.1-dev", "org_model")
