"""Every test of this folder runs on both event loops: Python's own, and the one the command line uses."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves the folder out; tests share `lines`


def pytest_asyncio_loop_factories():
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def certificate() -> Path:
    """A certificate for this machine that nobody has signed, with its key; good until 2126."""
    return Path(__file__).parent / "loopback.pem"
