"""What a person types is understood, or refused with the right form."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubferry.errors import UsageError
from hubferry.model import RepoRef
from hubferry.refs import Site, ambiguous, is_bare, is_folder, parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:org/name", RepoRef("hf", "org/name")),
        ("hf:org/name@rev", RepoRef("hf", "org/name", "rev")),
        ("  hf:org/name@v1.0  ", RepoRef("hf", "org/name", "v1.0")),
        (f"hf:org/name@{COMMIT}", RepoRef("hf", "org/name", COMMIT)),
        ("hf:org/name@refs/pr/3", RepoRef("hf", "org/name", "refs/pr/3")),
        ("HF:Org/Name_1.5-x", RepoRef("hf", "Org/Name_1.5-x")),
        ("hf://org/name@main", RepoRef("hf", "org/name", "main")),
        ("hf:gpt2", RepoRef("hf", "gpt2")),
        ("hf:gpt2@main", RepoRef("hf", "gpt2", "main")),
        ("hf:datasets/org/name", RepoRef("hf", "org/name", None, "dataset")),
        ("hf:datasets/squad", RepoRef("hf", "squad", None, "dataset")),
        ("hf:models/org/name", RepoRef("hf", "org/name")),
        ("hf:model/name", RepoRef("hf", "model/name")),
        ("ms:org/name", RepoRef("ms", "org/name")),
        ("modelscope:org/name@master", RepoRef("ms", "org/name", "master")),
        ("ms:datasets/org/name", RepoRef("ms", "org/name", None, "dataset")),
        ("ms:org/a--b", RepoRef("ms", "org/a--b")),
    ],
)
def test_the_short_form_names_hub_repository_and_revision(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://huggingface.co/org/name", RepoRef("hf", "org/name")),
        ("https://huggingface.co/org/name/", RepoRef("hf", "org/name")),
        ("http://huggingface.co/org/name?library=x#usage", RepoRef("hf", "org/name")),
        ("huggingface.co/org/name", RepoRef("hf", "org/name")),
        ("https://hf.co/gpt2", RepoRef("hf", "gpt2")),
        ("https://huggingface.co/gpt2/tree/main", RepoRef("hf", "gpt2", "main")),
        ("https://huggingface.co/org/name/tree/v1/sub/folder", RepoRef("hf", "org/name", "v1")),
        ("https://huggingface.co/org/name/blob/main/a.txt", RepoRef("hf", "org/name", "main")),
        ("https://huggingface.co/org/name/resolve/refs%2Fpr%2F1/a", RepoRef("hf", "org/name", "refs/pr/1")),
        ("https://huggingface.co/org/name/tree/refs/pr/1", RepoRef("hf", "org/name", "refs/pr/1")),
        (f"https://huggingface.co/org/name/commit/{COMMIT}", RepoRef("hf", "org/name", COMMIT)),
        ("https://huggingface.co/org/name/discussions/4", RepoRef("hf", "org/name")),
        ("https://huggingface.co/datasets/org/name/tree/main", RepoRef("hf", "org/name", "main", "dataset")),
        ("https://hf-mirror.com/org/name", RepoRef("hf", "org/name", None, "model", "https://hf-mirror.com")),
        ("https://modelscope.cn/models/org/name", RepoRef("ms", "org/name")),
        ("https://www.modelscope.cn/models/org/name/files", RepoRef("ms", "org/name")),
        ("https://www.modelscope.cn/models/org/name/summary?from=x", RepoRef("ms", "org/name")),
        ("https://modelscope.cn/models/org/name/file/view/v2/a.md?status=1", RepoRef("ms", "org/name", "v2")),
        ("https://modelscope.cn/models/org/name/files?Revision=v2", RepoRef("ms", "org/name", "v2")),
        ("https://modelscope.cn/datasets/org/name", RepoRef("ms", "org/name", None, "dataset")),
        (
            "https://modelscope.ai/models/org/name",
            RepoRef("ms", "org/name", None, "model", "https://www.modelscope.ai"),
        ),
    ],
)
def test_an_address_pasted_from_a_browser_is_understood(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        ".", "..", "./folder", "../folder", "/abs/folder", "~/models/a", "~", "~other/a", r"C:\folder",
        "D:/folder", r".\a", "./model@v2", "/abs/model@main", "./hf:org/name",
    ],
)  # fmt: skip
def test_what_looks_like_a_path_is_a_folder(text):
    assert parse(text) == RepoRef("dir", text)


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("file:///abs/folder", "/abs/folder"),
        ("file:/abs/folder", "/abs/folder"),
        ("FILE://localhost/abs/my%20model", "/abs/my model"),
        ("file:///C:/folder", "C:/folder"),
    ],
)
def test_the_address_of_a_file_is_the_folder_that_it_names(text, folder):
    assert parse(text) == RepoRef("dir", folder)


@pytest.mark.parametrize(
    "text", ["file:folder", "file://server/share/folder", "file://", "file://x", "file://[x/folder"]
)
def test_the_address_of_a_file_elsewhere_is_refused_with_a_right_form(text):
    with pytest.raises(UsageError) as caught:
        parse(text, default_hub="hf")
    assert "file:///folder" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://datasets/org/name", RepoRef("hf", "org/name", None, "dataset")),
        ("hf://datasets/org/name@v1", RepoRef("hf", "org/name", "v1", "dataset")),
        ("hf://datasets/org/name@my/branch", RepoRef("hf", "org/name", "my/branch", "dataset")),
        ("hf://models/org/name", RepoRef("hf", "org/name")),
        ("git@hf.co:org/name.git", RepoRef("hf", "org/name")),
        ("git@hf.co:datasets/org/name", RepoRef("hf", "org/name", None, "dataset")),
        ("git@www.modelscope.cn:models/org/name.git", RepoRef("ms", "org/name")),
    ],
)
def test_what_other_tools_write_for_a_repository_is_understood(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("hf://org/name/config.json", "hf:org/name"),
        ("hf://datasets/org/name/data/a.parquet", "hf:datasets/org/name"),
        ("C:folder", r"C:\folder"),
        ("hf:./folder", "./folder"),
        ("ms:~/folder", "./folder"),
        ("git@example.com:org/name.git", "hf:org/name"),
        ("s3://bucket/name", "hf:org/name"),
    ],
)
def test_what_is_nearly_a_name_is_refused_with_the_right_one(text, hint):
    with pytest.raises(UsageError) as caught:
        parse(text, default_hub="hf")
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text", ["org/name", "llama", "models/llama", "org/name/", "model@v2", "a/b/c", "hf.co/a/b"]
)
def test_a_word_that_says_neither_hub_nor_folder_is_bare(text):
    assert is_bare(text)
    assert not is_folder(text)


@pytest.mark.parametrize(
    "text", ["hf:org/name", "MS:a/b", "./a", "~a", "/a", "https://hf.co/a", "C:x", "file:a", " "]
)
def test_a_word_that_says_where_it_is_is_not_bare(text):
    assert not is_bare(text)


@pytest.mark.parametrize(
    ("text", "hub", "repository"),
    [
        ("models/llama", "hf", "hf:models/llama"),
        ("llama", "hf", "hf:llama"),
        ("llama", "ms", "ms:owner/llama"),
        ("out/b@v1", "ms", "ms:out/b@v1"),
        ("org/name/", "hf", "hf:org/name"),
        ("my models/a", "ms", "ms:my-models/a"),
        ("huggingface.co/org/name", "hf", "https://huggingface.co/org/name"),
    ],
)
def test_both_readings_of_a_bare_word_are_shown_and_each_is_understood(text, hub, repository):
    hint = ambiguous(text, hub).hint
    assert hint == f"./{text} for the folder, {repository} for the repository"
    assert parse(f"./{text}") == RepoRef("dir", f"./{text}")
    assert parse(repository).hub in ("hf", "ms")


@pytest.mark.parametrize(
    ("text", "hub"), [("out", "ms"), ("a/b/c", "hf"), ("org/name/", "ms"), ("x y", "hf")]
)
def test_a_bare_word_that_is_no_repository_is_refused_with_the_folder_named_too(text, hub):
    with pytest.raises(UsageError) as caught:
        parse(text, default_hub=hub)
    assert f"./{text} for the folder" in (caught.value.hint or "")


def test_the_server_in_use_may_be_pasted_too():
    ref = parse("http://127.0.0.1:8080/org/name/tree/main", hf_endpoint="http://127.0.0.1:8080/")
    assert ref == RepoRef("hf", "org/name", "main", "model", "http://127.0.0.1:8080")
    ref = parse("https://hub.example.com/models/org/name", ms_endpoint="https://hub.example.com")
    assert ref == RepoRef("ms", "org/name", None, "model", "https://hub.example.com")


def test_a_server_in_use_whose_address_is_none_makes_no_name_unreadable():
    """Whoever asks that server says what is wrong with its address."""
    named = {"lab": Site("hf", "http://[lab", "lab")}
    ref = parse("hf:org/name", hf_endpoint="http://[::1", ms_endpoint="http://[x", hubs=named)
    assert ref == RepoRef("hf", "org/name")


def test_a_bare_name_belongs_to_the_default_hub():
    assert parse("org/name", default_hub="hf") == RepoRef("hf", "org/name")
    assert parse("gpt2", default_hub="hf") == RepoRef("hf", "gpt2")
    assert parse("org/name@v1", default_hub="ms") == RepoRef("ms", "org/name", "v1")
    assert parse("folder", default_hub="dir") == RepoRef("dir", "folder")
    assert parse("ms:org/name", default_hub="hf").hub == "ms"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("org/name", "hf:org/name"),
        ("gpt2", "hf:gpt2"),
        ("hf:a b/c", "hf:a-b/c"),
        ("hf:a/b/c", "hf:b/c"),
        ("hf:org/", "hf:org"),
        ("hf:", "hf:org/name"),
        ("hf:org/name@", "hf:org/name"),
        ("hf:org/na..me", "hf:org/na-me"),
        ("hf:org/a--b", "hf:org/a-b"),
        ("hf:-org/name", "hf:org/name"),
        ("hf:org/name.git", "hf:org/name"),
        ("hf:spaces/org/name", "hf:org/name"),
        ("ms:gpt2", "ms:owner/gpt2"),
        ("hf:org/name@bad rev", "hf:org/name@main"),
        ("hf:org/name@../x", "hf:org/name@main"),
        ("hf:org/name@-x", "hf:org/name@main"),
        ("hf:组织/模型", "hf:org/name"),
        ("https://example.com/org/name", "hf:org/name"),
        ("https://huggingface.co/spaces/org/name", "hf:org/name"),
        ("https://huggingface.co/", "hf:org/name"),
        ("https://[broken/org/name", "hf:org/name"),
        ("ftp://huggingface.co/org/name", "hf:org/name"),
        ("", "hf:org/name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_right_form(text, hint):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert re.search(re.escape(hint) + r"[?,. ]", caught.value.hint or "")


def test_a_refusal_does_not_repeat_what_stands_in_the_query_of_an_address():
    with pytest.raises(UsageError) as caught:
        parse("https://example.com/org/name?token=hf_secret")
    assert "hf_secret" not in caught.value.message + (caught.value.hint or "")


PART = st.from_regex(r"[A-Za-z0-9_](?:[A-Za-z0-9_]{0,20}[A-Za-z0-9_])?", fullmatch=True)


@given(hub=st.sampled_from(["hf", "ms"]), owner=PART, name=PART, revision=st.none() | PART)
def test_what_is_written_out_is_read_back(hub, owner, name, revision):
    ref = RepoRef(hub, f"{owner}x/{name}x", revision)
    assert parse(str(ref)) == ref


@given(st.text(max_size=60))
def test_no_text_does_worse_than_a_usage_error(text):
    with contextlib.suppress(UsageError):
        ref = parse(text)
        assert ref.repo_id
        assert ref.hub == "dir" or ".." not in ref.repo_id


def test_a_server_that_is_both_hubs_is_the_one_that_is_expected_there():
    both = {"hf_endpoint": "http://127.0.0.1:8080", "ms_endpoint": "http://127.0.0.1:8080"}
    address = "http://127.0.0.1:8080/org/name"
    assert parse(address, default_hub="hf", **both).hub == "hf"
    assert parse(address, default_hub="ms", **both).hub == "ms"
