"""Two hubs, several repositories, an empty home."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in these
sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parent))

from mirrored import World
from servers import running_hub, sdk_environment


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A source hub, a target hub, and the environment of somebody who uses both."""
    with running_hub(tmp_path / "source") as source, running_hub(tmp_path / "target") as target:
        home = tmp_path / "home"
        environment = sdk_environment(home, hf=source, ms=target)
        environment |= {"HUBFERRY_RETRIES": "5", "HUBFERRY_RETRY_WAIT": "0.02", "COLUMNS": "120"}
        for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
            environment.pop(name, None)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for name in ("HF_HUB_OFFLINE", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(home)
        yield World(home, environment, source, target)
