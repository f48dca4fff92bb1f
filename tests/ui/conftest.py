"""The pages of `hubferry ui` over HTTP, for somebody with a home, a cache and two hubs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in these
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(Path(__file__).parent))

from reading import KEY, Pages
from servers import running_hub, sdk_environment

from hubferry.i18n import set_language
from hubferry.ui.application import create
from hubferry.ui.settings import Settings


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, in English, with nothing of the real one."""
    place = tmp_path / "home"
    environment = sdk_environment(place) | {"XDG_STATE_HOME": str(tmp_path / "state")}
    for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "HF_TOKEN", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place)
    set_language("en")
    yield place
    set_language(None)


@pytest.fixture
def hubs(home, tmp_path, monkeypatch):
    """A source and a destination that the environment names."""
    with running_hub(tmp_path / "source") as source, running_hub(tmp_path / "destination") as destination:
        monkeypatch.setenv("HF_ENDPOINT", source.url)
        monkeypatch.setenv("HF_TOKEN", source.token)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", destination.url)
        monkeypatch.setenv("MODELSCOPE_API_TOKEN", destination.token)
        monkeypatch.setenv("HUBFERRY_RETRIES", "3")
        monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.02")
        yield source, destination


@pytest.fixture
def open_pages(home):
    """Return what opens the pages with some settings: `async with open_pages(read_only=True) as pages`."""

    def opened(beside=None, **words):
        return Pages(create(Settings(**{"key": KEY, **words})), beside)

    return opened
