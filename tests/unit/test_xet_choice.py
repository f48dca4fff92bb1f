"""When Xet is used, for how long it may be silent, and which servers a hub may name."""

from __future__ import annotations

import pytest

from hubferry.errors import UsageError
from hubferry.hubs import open_source
from hubferry.hubs.huggingface.source import HuggingFaceSource
from hubferry.hubs.xet.access import Access, NoXetError, check_address
from hubferry.hubs.xet.choice import mode, silence_seconds
from hubferry.hubs.xet.source import XetSource
from hubferry.model import RepoRef

HF = "https://huggingface.co"
HERE = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "auto"),
        ({"HUBFERRY_XET": ""}, "auto"),
        ({"HUBFERRY_XET": "Always"}, "always"),
        ({"HUBFERRY_XET": "never"}, "never"),
        ({"HF_HUB_DISABLE_XET": "1"}, "never"),
        ({"HF_HUB_DISABLE_XET": "true", "HUBFERRY_XET": "always"}, "never"),
        ({"HF_HUB_DISABLE_XET": "0", "HUBFERRY_XET": "always"}, "always"),
    ],
)
def test_the_environment_says_when_xet_is_used(environment, expected):
    assert mode(environment) == expected


def test_a_word_that_is_no_wish_is_refused_with_those_that_are(monkeypatch):
    monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)
    monkeypatch.setenv("HUBFERRY_XET", "sometimes")
    with pytest.raises(UsageError, match="sometimes") as caught:
        open_source(RepoRef("hf", "org/model"), endpoint=HERE)
    assert "always" in str(caught.value.hint)


def test_never_leaves_the_plain_source_alone(monkeypatch):
    monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)
    monkeypatch.setenv("HUBFERRY_XET", "never")
    assert isinstance(open_source(RepoRef("hf", "org/model"), endpoint=HERE), HuggingFaceSource)
    monkeypatch.setenv("HUBFERRY_XET", "auto")
    assert isinstance(open_source(RepoRef("hf", "org/model"), endpoint=HERE), XetSource)


@pytest.mark.parametrize(("text", "expected"), [("", 30.0), ("2.5", 2.5), ("0", 30.0), ("x", 30.0)])
def test_how_long_xet_may_be_silent_is_a_number_of_seconds(text, expected):
    assert silence_seconds({"HUBFERRY_XET_TIMEOUT": text}) == expected


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("https://cas.example.com", HF),
        ("https://cas.example.com", HERE),
        ("http://10.0.0.5:8080", "http://10.0.0.5:8000"),
        ("local:///srv/chunks", HERE),
        ("local:///srv/chunks", "http://localhost:8000"),
    ],
)
def test_a_hub_may_name_a_server_as_safe_as_itself(address, endpoint):
    check_address(address, endpoint)


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("local:///home/me", HF),
        ("local:///home/me", "http://10.0.0.5:8000"),
        ("http://cas.example.com", HF),
        ("file:///etc", HERE),
        ("memory://", HF),
        ("", HF),
        ("https://[", HF),
    ],
)
def test_a_hub_may_not_open_a_folder_of_another_machine_nor_a_line_less_safe_than_its_own(address, endpoint):
    with pytest.raises(NoXetError):
        check_address(address, endpoint)


def test_an_access_shows_no_token_when_it_is_printed():
    assert "hidden" not in repr(Access(HF, "hidden", 1, 1.0))
