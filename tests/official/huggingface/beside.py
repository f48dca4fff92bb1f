"""The conftest that the suite of huggingface_hub gets from us: its sdist has none.

The name of the staging hub leads to the port in `OFFICIAL_PORT`, and any other name nowhere.
"""

from __future__ import annotations

import os
import socket
import warnings
from typing import Protocol

import pytest

os.environ["HUGGINGFACE_CO_STAGING"] = "1"
STAGING = "hub-ci.huggingface.co"
_PORT = int(os.environ["OFFICIAL_PORT"])
_getaddrinfo = socket.getaddrinfo


def _lead(host, port, *more, **options):
    if host in (STAGING, STAGING.encode()):
        return _getaddrinfo("127.0.0.1", _PORT, *more, **options)
    if host in ("127.0.0.1", "localhost", "::1"):
        return _getaddrinfo(host, port, *more, **options)
    raise socket.gaierror(socket.EAI_NONAME, f"no way to {host} from here")


socket.getaddrinfo = _lead

from huggingface_hub import HfApi, constants  # noqa: E402  # after the environment says which hub
from huggingface_hub.utils import _detect_agent  # noqa: E402

from .testing_constants import ENDPOINT_PRODUCTION, ENDPOINT_STAGING, TOKEN  # noqa: E402
from .testing_utils import repo_name  # noqa: E402

_PLACES = {
    "HF_HOME": "",
    "HF_HUB_CACHE": "hub",
    "HF_XET_CACHE": "xet",
    "HUGGINGFACE_HUB_CACHE": "hub",
    "HF_ASSETS_CACHE": "assets",
    "HF_TOKEN_PATH": "token",
    "HF_STORED_TOKENS_PATH": "stored_tokens",
}


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    for name, below in _PLACES.items():
        if hasattr(constants, name):
            monkeypatch.setattr(constants, name, str(home / below))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_EXPERIMENTAL_WARNING", True)
    if hasattr(_detect_agent, "_EMPTY_REGISTRY"):
        monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)


@pytest.fixture(autouse=True)
def _xet_where_a_test_asks(request, monkeypatch):
    if request.node.get_closest_marker("xet"):
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
        monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)


@pytest.fixture(autouse=True)
def _expected_warnings(request):
    names = [name for mark in request.node.iter_markers("deprecated") for name in mark.args]
    if not names:
        yield
        return
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    said = [str(one.message) for one in seen if issubclass(one.category, FutureWarning)]
    assert all(any(f"'{name}'" in text for text in said) for name in names)


@pytest.fixture(scope="session")
def api():
    return HfApi(endpoint=ENDPOINT_STAGING, token=TOKEN)


@pytest.fixture(scope="session")
def api_prod():
    return HfApi(endpoint=ENDPOINT_PRODUCTION)


class RepoFactory(Protocol):
    """Makes a repository that is gone after the test."""

    def __call__(self, repo_type: str = "model", **options): ...


@pytest.fixture
def repo_factory(api):
    made = []

    def make(repo_type="model", **options):
        if repo_type == "space":
            options.setdefault("space_sdk", "gradio")
        options.setdefault("repo_id", repo_name(prefix=repo_type))
        url = api.create_repo(repo_type=repo_type, **options)
        made.append((url.repo_id, repo_type, options.get("token")))
        return url

    yield make
    for repo_id, repo_type, token in made:
        api.delete_repo(repo_id, repo_type=repo_type, token=token, missing_ok=True)
