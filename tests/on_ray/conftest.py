"""A real Ray cluster of three nodes on this machine, each with a home and a cache of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in these
sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parents[1] / "sync"))
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three nodes for all tests; whoever kills one gets another one in its stead."""
    from clusters import RayCluster

    running = RayCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield running
    finally:
        running.shutdown()


@pytest.fixture
def world(cluster, tmp_path, monkeypatch):
    """A source, a target, and a driver's environment."""
    from clusters import worlds

    with worlds(cluster, tmp_path, monkeypatch) as world:
        yield world
