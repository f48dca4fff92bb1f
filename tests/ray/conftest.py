"""A real Ray cluster of three nodes on this machine, each with a home and a cache of its own."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

# importlib mode leaves the folders out, and tests share what is in these
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parents[1] / "sync"))
sys.path.insert(0, str(Path(__file__).parent))

pytest.importorskip("ray", reason="Ray is not installed here: make test-ray")

from clusters import RayCluster, World
from servers import running_hub, sdk_environment


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three nodes for all tests; whoever kills one gets another one in its stead."""
    running = RayCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield running
    finally:
        running.shutdown()


@pytest.fixture
def world(cluster, tmp_path, monkeypatch):
    """A source, a target, and a driver's environment; the nodes know the hubs by a file of their own."""
    cluster.make_whole()
    with running_hub(tmp_path / "source") as source, running_hub(tmp_path / "target") as target:
        home = tmp_path / "home"
        environment = sdk_environment(home, hf=source, ms=target)
        environment |= {"HUBFERRY_RETRIES": "5", "HUBFERRY_RETRY_WAIT": "0.02", "COLUMNS": "120"}
        environment |= {"XDG_STATE_HOME": str(home / "state"), "HUBFERRY_CONFIG": "none"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        cluster.configure(source, target)
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield World(cluster, home, {**os.environ}, source, target)
