"""What names a file inside a repository, or only an owner, is taken apart as a person means it."""

from __future__ import annotations

import pytest

from hubferry.inside import owner_of, split


@pytest.mark.parametrize(
    ("text", "repository", "path"),
    [
        ("hf:org/name", "hf:org/name", None),
        ("hf:org/name/config.json", "hf:org/name", "config.json"),
        ("ms:org/name/onnx/model.onnx", "ms:org/name", "onnx/model.onnx"),
        ("lab:org/name/config.json", "lab:org/name", "config.json"),
        ("hf://org/name/config.json", "hf://org/name", "config.json"),
        ("hf:datasets/org/name", "hf:datasets/org/name", None),
        ("hf:datasets/org/name/data/a.csv", "hf:datasets/org/name", "data/a.csv"),
        ("hf:org/name/a@b.json", "hf:org/name", "a@b.json"),
        ("hf:org/name@refs/pr/1", "hf:org/name@refs/pr/1", None),  # whose slashes are the revision's own
        ("hf:gpt2", "hf:gpt2", None),
        ("./folder/config.json", "./folder/config.json", None),
        ("C:/folder/config.json", "C:/folder/config.json", None),
        ("file:///folder/config.json", "file:///folder/config.json", None),
        ("org/name/config.json", "org/name/config.json", None),
        ("https://huggingface.co/org/name", "https://huggingface.co/org/name", None),
    ],
)
def test_a_path_behind_a_name_is_found(text, repository, path):
    assert split(text) == (repository, path)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://huggingface.co/org/name/blob/main/onnx/model.onnx", "onnx/model.onnx"),
        ("https://huggingface.co/org/name/resolve/v1.0/config.json?download=true", "config.json"),
        ("https://huggingface.co/datasets/org/name/blob/refs/pr/1/a%20b.csv", "a b.csv"),
        ("https://huggingface.co/org/name/tree/main", None),
        ("https://huggingface.co/org/name/tree/main/onnx", "onnx"),
        ("https://huggingface.co/blob/name", None),
        ("https://modelscope.cn/models/org/name/file/view/master/config.json?status=1", "config.json"),
    ],
)
def test_a_pasted_address_of_a_file_names_its_path(address, path):
    assert split(address) == (address, path)


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("hf:org", "hf:org/name"),
        ("hf:org/", "hf:org/name"),
        ("ms:org", "ms:org/name"),
        ("lab:org", "lab:org/name"),
        ("hf:datasets/org", "hf:datasets/org/name"),
        ("https://huggingface.co/org", "https://huggingface.co/org/name"),
        ("https://huggingface.co/datasets/org", "https://huggingface.co/datasets/org/name"),
        ("hf:org/name", None),
        ("hf:org@main", None),
        ("./org", None),
        ("org", None),
        ("file:/org", None),
        ("C:", None),
        ("https://[huggingface.co/org", None),
    ],
)
def test_an_owner_is_told_from_a_repository(text, some):
    assert owner_of(text) == some


def test_what_is_no_address_is_left_to_whoever_reads_names():
    assert split("https://[huggingface.co/org/name/blob/main/f") == (
        "https://[huggingface.co/org/name/blob/main/f",
        None,
    )
