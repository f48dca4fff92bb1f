"""A world of two hubs for the tests that let hubs and networks fail."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in them
for _folder in ("tests/hub", "tests/fault"):
    sys.path.insert(0, str(Path(__file__).parents[2] / _folder))

from worlds import IMPATIENT, PATIENT, QUICK, running_world  # noqa: E402 - after the path is known


@pytest.fixture
def silence(request):
    """How many seconds a hub may say nothing: few where the test is of one that stalls."""
    return IMPATIENT if "stall" in request.node.name else PATIENT


@pytest.fixture
def quick(monkeypatch, silence):
    """Let retries and looks follow each other quickly in this process, as they do for the command."""
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HUBFERRY_TIMEOUT", str(silence))
    for name in ("HF_ENDPOINT", "HF_TOKEN", "MODELSCOPE_ENDPOINT", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("hubferry.patience._DOUBLINGS", 2.0)
    monkeypatch.setattr("hubferry.publish._LOOKS", (0.0, 0.01, 0.02))
    monkeypatch.setattr("hubferry.hubs.modelscope.destination._COMMIT_SECONDS", silence)
    monkeypatch.setattr("hubferry.hubs.http.uploads.ANSWER_SECONDS", silence)


@pytest.fixture
def make_world(tmp_path, monkeypatch, quick, silence):
    """Start worlds; the home of the first is that of this process."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(**details):
            world = stack.enter_context(running_world(tmp_path / str(len(made)), **details))
            world.environment["HUBFERRY_TIMEOUT"] = str(silence)
            if not made:
                for name in ("HOME", "HF_HOME", "MODELSCOPE_CACHE", "MODELSCOPE_HOME", "HUBFERRY_CACHE"):
                    monkeypatch.setenv(name, world.environment[name])
            made.append(world)
            return world

        yield make


@pytest.fixture
def world(make_world):
    """Two hubs that can fail."""
    return make_world()
