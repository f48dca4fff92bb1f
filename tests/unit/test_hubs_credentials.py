"""Tokens and endpoints are found where the official tools keep them, and no pickle is ever loaded."""

from __future__ import annotations

import pickle
import sys
import time
from http.cookiejar import Cookie

import pytest
from modelscope_hub.config import HubConfig
from requests.cookies import RequestsCookieJar

from hubferry.hubs import credentials
from hubferry.hubs.modelscope.cookies import session_cookies

CN = "https://modelscope.cn"


def cookie(value, *, name="m_session_id", domain="modelscope.cn", expires=None):
    return Cookie(
        0,
        name,
        value,
        None,
        False,
        domain,
        True,
        False,
        "/",
        True,
        False,
        expires,
        False,
        None,
        None,
        {},
        False,
    )


def jar(*cookies):
    made = RequestsCookieJar()
    for one in cookies:
        made.set_cookie(one)
    return made


@pytest.fixture
def login(tmp_path, monkeypatch):
    """Store a login as `modelscope login` does, and return the environment that finds it."""
    home = tmp_path / "ms"
    monkeypatch.setenv("MODELSCOPE_HOME", str(home))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MODELSCOPE_API_TOKEN", raising=False)

    def store(token=None, *, endpoint=CN, cookies=None):
        config = HubConfig(endpoint=endpoint)
        config.save_token(token) if cookies is None else config.save_cookies(cookies)
        return {"MODELSCOPE_HOME": str(home)}

    return store


def test_what_modelscope_login_stored_is_found(login):
    environment = login("ms-0123456789")
    assert credentials.modelscope_token(environment, CN) == "ms-0123456789"
    assert HubConfig(endpoint=CN).load_token() == "ms-0123456789"


@pytest.mark.parametrize("name", ["credentials", "credentials/cookies"])
def test_a_login_is_found_where_a_variable_names_its_directory_or_its_file(login, monkeypatch, name):
    home = login("ms-0123456789")["MODELSCOPE_HOME"]
    monkeypatch.setenv("PLACE", home)
    environment = {"MODELSCOPE_CREDENTIALS_PATH": f"$PLACE/{name}", "MODELSCOPE_HOME": "/nowhere"}
    assert credentials.modelscope_token(environment, CN) == "ms-0123456789"


def test_without_a_home_there_is_no_login_and_no_error(monkeypatch):
    def nobody(_self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", nobody)
    assert credentials.modelscope_token({}, CN) is None
    assert credentials.huggingface_token({}) is None


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_login_is_found_in_every_form_of_pickle(protocol):
    stored = pickle.dumps(
        jar(cookie("other", name="csrf"), cookie("ms-token", expires=2**33), cookie("x", name="z")), protocol
    )
    found = session_cookies(stored)
    assert [(one.value, one.domain, one.expires) for one in found] == [("ms-token", "modelscope.cn", 2.0**33)]


def test_a_login_of_another_site_is_not_handed_to_this_one(login):
    environment = login(cookies=jar(cookie("of-cn"), cookie("of-ai", domain="www.modelscope.ai")))
    assert credentials.modelscope_token(environment, "https://www.modelscope.ai") == "of-ai"
    assert credentials.modelscope_token(environment, "https://modelscope.cn") == "of-cn"
    assert credentials.modelscope_token(environment, "https://www.modelscope.cn") == "of-cn"
    assert credentials.modelscope_token(environment, "https://evil.example") is None


def test_a_login_that_has_expired_is_not_used(login):
    environment = login(cookies=jar(cookie("old", expires=int(time.time()) - 10)))
    assert credentials.modelscope_token(environment, CN) is None


def test_a_login_without_an_end_is_used(login):
    assert credentials.modelscope_token(login(cookies=jar(cookie("for-ever"))), CN) == "for-ever"


def test_the_variable_comes_before_the_login_and_empty_means_none(login):
    environment = login("stored")
    assert credentials.modelscope_token({**environment, "MODELSCOPE_API_TOKEN": "named"}, CN) == "named"
    assert credentials.modelscope_token({**environment, "MODELSCOPE_API_TOKEN": ""}, CN) is None


class Bomb:
    def __reduce__(self):
        return (sys.exit, ("a pickle was loaded",))


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"jar": jar(cookie("ms-token")), "bomb": Bomb()}),
        pickle.dumps(Bomb()),
        pickle.dumps(["name", "m_session_id"]),
        pickle.dumps(["name", "m_session_id", "value"]),
        pickle.dumps(["name", "m_session_id", "value", 7]),
        pickle.dumps(jar(cookie("ms-token")))[:-40],
        b"",
        b"\x80\x04h\x05.",
        b"not a pickle",
        bytes(range(256)),
    ],
)
def test_a_stored_login_that_was_tampered_with_runs_nothing(content, login, tmp_path):
    environment = login("first")
    (tmp_path / "ms" / "credentials" / "cookies").write_bytes(content)
    assert credentials.modelscope_token(environment, CN) in (None, "ms-token")


def test_a_cookie_does_not_show_its_value():
    (found,) = session_cookies(pickle.dumps(jar(cookie("ms-secret"))))
    assert "ms-secret" not in repr(found)


def test_a_folder_in_place_of_the_login_is_no_login(tmp_path):
    (tmp_path / "credentials" / "cookies").mkdir(parents=True)
    assert credentials.modelscope_token({"MODELSCOPE_HOME": str(tmp_path)}, CN) is None


def test_a_login_file_of_absurd_size_is_not_read(tmp_path):
    (tmp_path / "credentials").mkdir()
    content = pickle.dumps([jar(cookie("ms-token")), b"x" * (1 << 20)])
    (tmp_path / "credentials" / "cookies").write_bytes(content)
    assert credentials.modelscope_token({"MODELSCOPE_HOME": str(tmp_path)}, CN) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_TOKEN": "a", "HUGGING_FACE_HUB_TOKEN": "b"}, "a"),
        ({"HF_TOKEN": " a\r\n"}, "a"),
        ({"HUGGING_FACE_HUB_TOKEN": "b"}, "b"),
        ({"HF_TOKEN": "a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, None),
    ],
)
def test_a_hugging_face_token_is_taken_from_the_environment(environment, expected):
    assert credentials.huggingface_token({**environment, "HF_HOME": "/nowhere"}) == expected


def test_what_hf_auth_login_stored_is_found(tmp_path):
    (tmp_path / "token").write_text("hf_stored\n")
    (tmp_path / "elsewhere").write_text("hf_elsewhere")
    (tmp_path / "huggingface").mkdir()
    (tmp_path / "huggingface" / "token").write_text("hf_xdg")
    assert credentials.huggingface_token({"HF_HOME": str(tmp_path)}) == "hf_stored"
    assert credentials.huggingface_token({"XDG_CACHE_HOME": str(tmp_path)}) == "hf_xdg"
    named = {"HF_HOME": str(tmp_path), "HF_TOKEN_PATH": str(tmp_path / "elsewhere")}
    assert credentials.huggingface_token(named) == "hf_elsewhere"
    assert credentials.huggingface_token({"HF_HOME": str(tmp_path / "none")}) is None


def test_endpoints_are_taken_from_the_environment():
    assert credentials.huggingface_endpoint({}) == "https://huggingface.co"
    assert (
        credentials.huggingface_endpoint({"HF_ENDPOINT": "https://hf-mirror.com/"}) == "https://hf-mirror.com"
    )
    assert credentials.modelscope_endpoint({}) == "https://modelscope.cn"
    assert credentials.modelscope_endpoint({"MODELSCOPE_ENDPOINT": "http://h:1/"}) == "http://h:1"
    assert (
        credentials.modelscope_endpoint({"MODELSCOPE_DOMAIN": "www.modelscope.ai"})
        == "https://www.modelscope.ai"
    )
