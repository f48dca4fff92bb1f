"""A cluster that loses nodes, and what is done with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mirrored import World as SyncWorld
from ray.cluster_utils import Cluster
from servers import running_hub, sdk_environment

from hubferry.sync import run as running
from hubferry.sync.on_ray.cluster import joined
from hubferry.sync.on_ray.runner import RayRunner
from hubferry.sync.run import Asked
from hubferry.sync.spec import Manner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import TestHub

    from hubferry.sync.outcome import Summary
    from hubferry.sync.spec import Entry

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_initial_delay_ms": "500",
}
NODES = 3
MIB = 1 << 20
AS_USUAL = Manner()


class RayCluster:
    """Nodes that find their hubs and tokens in a file each of them has, as nodes of a real cluster do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.touch(0o600)
        self._made = 0
        self._cluster = Cluster(
            initialize_head=True,
            # It keeps the cluster together, and takes no work: that is on nodes that may die.
            head_node_args={"num_cpus": 0, "include_dashboard": False, **self._node()},
        )
        self.nodes = []
        self.make_whole()
        self._joined = contextlib.ExitStack()
        self._joined.enter_context(joined(self.address))

    @property
    def address(self) -> str:
        return self._cluster.address

    def _node(self) -> dict[str, object]:
        self._made += 1
        home = self.folder / f"node-{self._made}"
        home.mkdir()
        variables = {
            "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "HUBFERRY_CACHE": str(home / "cache"),
            "HUBFERRY_CONFIG": str(self.config), "HUBFERRY_RETRIES": "5", "HUBFERRY_RETRY_WAIT": "0.02",
            "HF_HUB_DISABLE_XET": "1",
        }  # fmt: skip
        return {"env_vars": variables, "object_store_memory": 80 << 20}

    def configure(self, source, target, more: str = "") -> None:
        """Let the nodes know where the hubs are, and the tokens."""
        self.config.write_text(
            f'[hubs.hf]\nendpoint = "{source.url}"\ntoken = "{source.token}"\n{more}\n'
            f'[hubs.ms]\nendpoint = "{target.url}"\ntoken = "{target.token}"\n{more}\n'
        )

    def kill_node(self) -> None:
        """End a node, and everything on it, at once."""
        node = self.nodes.pop()
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_node_of(self, raylet: int) -> None:
        """End the node whose first process this is, and everything on it; never the head."""
        [node] = [one for one in self.nodes if one.all_processes["raylet"][0].process.pid == raylet]
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def make_whole(self) -> None:
        """Have three nodes again."""
        while len(self.nodes) < NODES:
            self.nodes.append(self._cluster.add_node(num_cpus=1, **self._node()))

    def shutdown(self) -> None:
        self._joined.close()
        self._cluster.shutdown()


@dataclass
class World(SyncWorld):
    """Two hubs and a cluster between them."""

    cluster: RayCluster = field(default=None)

    def __init__(self, cluster, home, environment, source, target) -> None:
        super().__init__(home, environment, source, target)
        self.cluster = cluster

    def run(self, *entries: Entry, manner: Manner = AS_USUAL, during=None, jobs: int = 4, **words) -> Summary:
        """Bring these up to date in the cluster; `during` is awaited beside it."""
        file = self.file(*entries)
        asked = Asked(manner=manner, runner=RayRunner(jobs, **words))

        async def both() -> Summary:
            beside = asyncio.ensure_future(during()) if during else None
            try:
                return await running.run(file, file.entries, asked, self.told.append)
            finally:
                if beside is not None:
                    await beside

        return asyncio.run(both())


@contextlib.contextmanager
def worlds(cluster: RayCluster, folder: Path, monkeypatch, **of_target) -> Iterator[World]:
    """Give two hubs that the nodes know by a file of their own, and a driver who knows no token at all."""
    cluster.make_whole()
    with running_hub(folder / "source") as source, running_hub(folder / "target", **of_target) as target:
        home = folder / "home"
        environment = sdk_environment(home, hf=source, ms=target)
        environment |= {"XDG_STATE_HOME": str(home / "state"), "HUBFERRY_CONFIG": "none", "COLUMNS": "120"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        cluster.configure(source, target)
        yield World(cluster, home, environment, source, target)


def blobs(count: int, size: int = MIB) -> dict[str, bytes]:
    """A model of so many files of weights, each of another length."""
    files = {f"weights-{number:02}.bin": bytes([number]) * (size + number) for number in range(count)}
    return files | {"config.json": b"{}", "README.md": b"---\nlicense: mit\n---\n"}


def commits_of(hub: TestHub, repo_id: str) -> int:
    """Count the commits that a repository really has, but for the one that every new repository has."""
    repository = hub.store.find(repo_id)
    return len(list(repository.history.walk(repository.resolve(None)))) - 1
