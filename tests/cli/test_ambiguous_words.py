"""A bare word that a folder has too is refused with both readings; whoever says which one is understood."""

from __future__ import annotations

import shlex

import pytest
from desks import KIB, digests, publish, stored

import models


@pytest.fixture
def folders(desk):
    """Folders here that are called as repositories are."""
    desk.home.mkdir(parents=True, exist_ok=True)
    for name in (
        "models/llama",
        "llama",
        "org/model",
        "mine/model",
        "out",
        "model@v2",
        "huggingface.co/org/model",
    ):
        (desk.home / name).mkdir(parents=True)
        (desk.home / name / "config.json").write_bytes(b"{}")
    return desk.home


@pytest.mark.parametrize(
    ("words", "word", "repository"),
    [
        (("copy", "models/llama", "ms:mine/llama"), "models/llama", "hf:models/llama"),
        (("copy", "llama", "ms:mine/llama"), "llama", "hf:llama"),
        (("copy", "llama/", "ms:mine/llama"), "llama/", "hf:llama"),
        (("copy", "model@v2", "ms:mine/llama"), "model@v2", "hf:model@v2"),
        (("copy", "llama", "ms:mine/llama", "--revision", "v1"), "llama", "hf:llama"),
        (("copy", "huggingface.co/org/model", "ms:a/b"), "huggingface.co/org/model",
         "https://huggingface.co/org/model"),
        (("copy", "hf:org/model", "mine/model"), "mine/model", "ms:mine/model"),
        (("copy", "hf:org/model", "out/new"), "out/new", "ms:out/new"),
        (("copy", "hf:org/model", "out/new@main"), "out/new@main", "ms:out/new@main"),
        (("copy", "hf:org/model", "out"), "out", "ms:owner/out"),
        (("copy", "hf:org/model", "out/deep/er", "--dry-run"), "out/deep/er", "ms:deep/er"),
        (("copy", "llama", "ms:mine/llama", "--verify-only"), "llama", "hf:llama"),
        (("check", "org/model", "ms:mine/model"), "org/model", "hf:org/model"),
        (("check", "hf:org/model", "mine/model"), "mine/model", "ms:mine/model"),
        (("fetch", "org/model"), "org/model", "hf:org/model"),
        (("fetch", "org/model", "--revision", "main"), "org/model", "hf:org/model"),
    ],
)  # fmt: skip
def test_a_word_with_two_readings_is_refused_before_any_hub_is_asked(desk, folders, words, word, repository):
    ended = desk.ferry(*words)
    assert ended.code == 2, ended.said
    assert f"“{word}”" in ended.err
    assert f"./{word} for the folder, {repository} for the repository" in ended.err
    assert desk.source.requests.records == desk.destination.requests.records == []


@pytest.mark.parametrize("words", [("copy", "org/model", "mine/model"), ("check", "org/model", "mine/model")])
def test_a_bare_word_that_no_folder_has_is_a_hubs_name(desk, model, words):
    desk.home.mkdir(parents=True, exist_ok=True)
    (desk.home / "org").mkdir()
    publish(desk.destination, model, "mine/model")
    ended = desk.ferry(*words)
    assert ended.code == 0, ended.said


def test_each_reading_is_taken_when_it_is_said(desk, model, folders):
    assert desk.ferry("copy", "./org/model", "./out/new").code == 0
    assert digests(folders / "out/new") == digests(folders / "org/model")
    assert desk.ferry("copy", "hf:org/model", "ms:mine/model").code == 0
    assert desk.published() == digests(model)
    assert digests(folders / "mine/model") != digests(model)


def test_an_at_sign_in_the_path_of_a_folder_is_no_revision(desk, folders):
    assert desk.ferry("copy", "./model@v2", "./out/a@b").code == 0
    assert digests(folders / "out/a@b") == digests(folders / "model@v2")
    for words in (("copy", "./llama", "./x"), ("check", "./llama", "./x"), ("fetch", "./llama")):
        ended = desk.ferry(*words, "--revision", "v2")
        assert ended.code == 2
        assert "./llama is a folder" in ended.err


@pytest.mark.parametrize(
    ("word", "shown"),
    [("~nobody-of-that-name/x", "./~nobody"), ("C:/models", "~/folder"), (r"C:\models", "~/folder")],
)
def test_a_folder_that_cannot_be_is_refused_and_not_made(desk, folders, word, shown):
    before = sorted(folders.iterdir())
    ended = desk.ferry("copy", "./llama", word)
    assert (ended.code, shown in ended.err) == (2, True), ended.said
    assert sorted(folders.iterdir()) == before


FILES = ("README.md", "llama/a[1].bin", "a name.txt")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("copy", "README.md", "ms:a/b"), ". --include README.md for that file alone, hf:README.md for"),
        (("copy", "./README.md", "ms:a/b"), ". --include README.md for that file alone\n"),
        (("copy", "README.md", "ms:a/b", "--dry-run"), ". --include README.md for that file alone, hf:"),
        (("copy", "llama/a[1].bin", "ms:a/b"), "./llama --include 'a[[]1].bin' for that file alone, hf:"),
        (("copy", "a name.txt", "ms:a/b"), ". --include 'a name.txt' for that file alone, hf:a-name.txt for"),
        (("copy", "hf:org/model", "README.md"), "ms:owner/README.md for the repository"),
        (("check", "./llama", "README.md"), "ms:owner/README.md for the repository"),
        (("check", "README.md", "ms:a/b"), ". --include README.md for that file alone, hf:README.md for"),
        (("fetch", "README.md"), ". --include README.md for that file alone, hf:README.md for"),
        (("fetch", "README.md", "--revision", "v1"), ". --include README.md for that file alone, hf:"),
        (("ls", "README.md"), ". --include README.md for that file alone, hf:README.md for"),
        (("info", "./README.md"), ". --include README.md for that file alone\n"),
        (("cat", "README.md"), "cat README.md\n"),
        (("cat", "README.md", "x"), ". --include README.md for that file alone, hf:README.md for"),
        (("doctor", "README.md", "ms:a/b"), ". --include README.md for that file alone, hf:README.md for"),
        (("bundle", "README.md", "./out"), ". --include README.md for that file alone, hf:README.md for"),
    ],
)  # fmt: skip
def test_a_file_that_is_here_is_refused_as_one_before_any_hub_is_asked(desk, folders, words, hint):
    for name in FILES:
        (folders / name).write_bytes(b"x")
    ended = desk.inside(*words)
    assert ended.code == 2, ended.said
    assert " is a file here, " in ended.err
    assert f"hint: {hint}" in ended.err
    assert desk.source.requests.records == desk.destination.requests.records == []


def test_a_file_is_copied_by_the_line_that_is_offered_for_it(desk, folders):
    (folders / "llama/a[1].bin").write_bytes(b"this one")
    (folders / "llama/a1.bin").write_bytes(b"another")
    hint = desk.inside("copy", "llama/a[1].bin", "./there").err.partition("hint: ")[2]
    words = shlex.split(hint.partition(" for that file")[0])
    assert desk.inside("copy", words[0], "./there", *words[1:]).code == 0
    assert list(digests(folders / "there")) == ["a[1].bin"]


def test_the_scripts_take_a_bare_name_for_a_hubs_whatever_folders_are_here(desk, model, folders, tmp_path):
    transfer = "scripts/hf_to_modelscope_transfer.py"
    done = desk.script(transfer, "--hf-model", "org/model", "--ms-model", "mine/model", cwd=folders)
    assert done.code == 0, done.said
    assert desk.published() == digests(model)
    done = desk.script("scripts/simple_hf_to_ms.py", "org/model", "mine/other", cwd=folders)
    assert done.code == 0, done.said
    assert desk.published("mine/other") == digests(model)
    flux = models.diffusers_model(tmp_path / "flux", shard_size=32 * KIB)
    publish(desk.source, flux, "black-forest-labs/FLUX.1-dev")
    (folders / "black-forest-labs/FLUX.1-dev").mkdir(parents=True)
    (folders / desk.destination.user / "FLUX.1-dev").mkdir(parents=True)
    done = desk.script("transfer_flux_dev.py", cwd=folders)
    assert done.code == 0, done.said
    assert stored(desk.destination, f"{desk.destination.user}/FLUX.1-dev") == digests(flux)
    assert desk.script("scripts/clean_model_cache.py", "list", cwd=folders).code == 0
