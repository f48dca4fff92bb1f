"""The parts of the scripts that need no hub, and the way tokens leave the command line."""

from __future__ import annotations

import importlib

import pytest

from hubferry import compat
from hubferry.cli import secrets
from hubferry.cli.secrets import redact, take_tokens
from hubferry.refs import parse


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HUBFERRY_CACHE", raising=False)
    return tmp_path


def test_each_script_keeps_its_place(home):
    ref = parse("org/name-1.5", default_hub="hf")
    assert compat.FLUX.of(None) == home / "flux_model_cache" / "flux-dev"
    assert compat.MODEL_TRANSFER.of(ref) == home / ".cache" / "model_transfer" / "org_name_1_5"
    assert compat.SIMPLE.of(ref) == home / ".cache" / "simple_model_transfer" / "org_name_1_5"


def test_the_name_with_the_dot_is_taken_where_it_is_there(home):
    old = home / ".cache" / "simple_model_transfer" / "org_name_1.5"
    old.mkdir(parents=True)
    assert compat.SIMPLE.of(parse("org/name-1.5", default_hub="hf")) == old


def test_looking_for_a_place_creates_nothing(home):
    compat.SIMPLE.of(parse("gpt2", default_hub="hf"))
    compat.check_directory(home / "absent")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "rest", "tokens"),
    [
        (["copy", "a", "b"], ["copy", "a", "b"], {}),
        (
            ["copy", "--token", "T", "a"],
            ["copy", "a"],
            {"HUBFERRY_SOURCE_TOKEN": "T", "HUBFERRY_DESTINATION_TOKEN": "T"},
        ),
        (
            ["copy", "--destination-token=D", "a", "--token=T"],
            ["copy", "a"],
            {"HUBFERRY_SOURCE_TOKEN": "T", "HUBFERRY_DESTINATION_TOKEN": "D"},
        ),
        (["serve", "--token", "T"], ["serve"], {"HUBFERRY_TOKEN": "T"}),
        (
            ["x.py", "--hf-token", "T", "--", "--token", "kept"],
            ["x.py", "--", "--token", "kept"],
            {"HF_TOKEN": "T"},
        ),
        (["copy", "--token"], ["copy", "--token"], {}),
    ],
)
def test_tokens_leave_the_command_line_for_the_environment(words, rest, tokens):
    assert take_tokens(words) == (rest, tokens)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token hf_abcdefghijklmnop here", "token *** here"),
        ("ms-12345678-1234-1234-1234-123456789abc", "***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("GET https://s3.example/x?X-Amz-Signature=1&b=2 failed", "GET https://s3.example/x?*** failed"),
        ("via http://user:word@proxy:3128/", "via http://***@proxy:3128/"),
        ("hf:org/name @ 1a2b3c4d5e6f", "hf:org/name @ 1a2b3c4d5e6f"),
        ("https://huggingface.co/org/name?page=2", "https://huggingface.co/org/name?page=2"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text, shown):
    assert redact(text) == shown


def test_what_the_environment_holds_as_a_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "plain-word")
    assert redact("it said plain-word to me") == "it said *** to me"


def test_a_stored_login_that_was_read_is_not_shown(home, monkeypatch):
    monkeypatch.setenv("HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    (home / "token").write_text("stored-without-a-shape\n")
    secrets._stored.cache_clear()
    importlib.import_module("hubferry.hubs.credentials")
    assert redact("it said stored-without-a-shape") == "it said ***"
    secrets._stored.cache_clear()
