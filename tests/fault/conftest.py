"""A world of two hubs for the tests that let hubs and networks fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in them
for _folder in ("tests", "tests/hub", "tests/fault"):
    sys.path.insert(0, str(Path(__file__).parents[2] / _folder))

from worlds import running_world  # noqa: E402 - after the path is known


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two hubs that can fail; retries and looks follow each other quickly."""
    with running_world(tmp_path) as made:
        for name, value in made.environment.items():
            if name.startswith(("HUBFERRY_", "HF_", "MODELSCOPE_", "HOME")):
                monkeypatch.setenv(name, value)
        for name in ("HF_ENDPOINT", "HF_TOKEN", "MODELSCOPE_ENDPOINT", "MODELSCOPE_API_TOKEN"):
            monkeypatch.delenv(name)
        monkeypatch.setattr("hubferry.publish._LOOKS", (0.0, 0.01, 0.02))
        monkeypatch.setattr("hubferry.publish._PAUSE", 0.01)
        monkeypatch.setattr("hubferry.hubs.modelscope_destination._COMMIT_SECONDS", 0.4)
        monkeypatch.setattr("hubferry.hubs.uploads.ANSWER_SECONDS", 0.4)
        yield made
