"""Two real hubs, an empty home, and the real command."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in these
sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parent))

from desks import KIB, Desk, Valve, publish
from servers import Seams, running_hub, sdk_environment

import models


@pytest.fixture
def desk(tmp_path):
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(running_hub(tmp_path / "source"))
        destination = stack.enter_context(running_hub(tmp_path / "destination"))
        home = tmp_path / "home"
        environment = sdk_environment(home, hf=source, ms=destination)
        environment |= {"HUBFERRY_RETRIES": "5", "HUBFERRY_RETRY_WAIT": "0.02"}
        for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "COLUMNS"):
            environment.pop(name, None)
        yield Desk(home, environment, source, destination)


@pytest.fixture
def model(desk, tmp_path):
    """A small model that is on the source hub as `org/model`; the folder it came from."""
    folder = models.transformers_model(tmp_path / "model", shards=2, shard_size=96 * KIB)
    publish(desk.source, folder, "org/model")
    return folder


@pytest.fixture
def valve():
    return Valve()


@pytest.fixture
def slow(tmp_path, valve):
    """A hub that begins to hand out large files, `org/model`, and goes on when its valve is opened."""
    large = models.transformers_model(tmp_path / "large", shards=2, shard_size=8 << 20)
    with running_hub(tmp_path / "slow", seams=Seams(pace=valve.pace)) as hub:
        publish(hub, large, "org/model")
        yield hub
        valve.open()


@pytest.fixture
def slow_desk(desk, slow):
    """A desk, with a terminal, whose source is the slow hub."""
    desk.environment |= {"HF_ENDPOINT": slow.url, "TERM": "xterm", "LANG": "C.UTF-8"}
    return desk
