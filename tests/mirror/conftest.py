"""Mirrors of embedded hubs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))  # importlib mode leaves the folder out
sys.path.insert(0, str(Path(__file__).parent))

from mirroring import running_mirror  # after the path is known
from servers import running_hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mirroring import TestMirror
    from servers import TestHub


@pytest.fixture(autouse=True)
def _environment(tmp_path, monkeypatch) -> None:
    from servers import sdk_environment

    for name, value in sdk_environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.01")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[TestHub]:
    """A writable hub that is mirrored."""
    with running_hub(tmp_path / "upstream") as running:
        yield running


@pytest.fixture
def make_mirror(tmp_path: Path) -> Iterator[Callable[..., TestMirror]]:
    """Start as many mirrors as a test needs; keywords go to `running_mirror`."""
    with contextlib.ExitStack() as stack:

        def make(**options) -> TestMirror:
            options.setdefault("root", tmp_path / "cache")
            options.setdefault("store", tmp_path / "own")
            return stack.enter_context(running_mirror(**options))

        yield make


@pytest.fixture
def mirror(upstream: TestHub, make_mirror) -> TestMirror:
    """An open mirror of `upstream`, in both dialects."""
    return make_mirror(hf=upstream.url, ms=upstream.url)
