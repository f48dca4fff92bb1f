"""A cluster that loses nodes, and what is done with it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import ray
from ray.cluster_utils import Cluster
from worlds import World as SyncWorld

from hubferry.sync import run as running
from hubferry.sync.on_ray.runner import RayRunner
from hubferry.sync.run import Asked

if TYPE_CHECKING:
    from pathlib import Path

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


class RayCluster:
    """Nodes that find their hubs and tokens in a file each of them has, as nodes of a real cluster do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.touch(0o600)
        self._made = 0
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "include_dashboard": False, **self._node()},
        )
        self.nodes = [self._cluster.add_node(num_cpus=1, **self._node()) for _number in range(NODES - 1)]
        ray.init(address=self.address, log_to_driver=False, configure_logging=False)

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

    def make_whole(self) -> None:
        """Have three nodes again."""
        while len(self.nodes) < NODES - 1:
            self.nodes.append(self._cluster.add_node(num_cpus=1, **self._node()))

    def shutdown(self) -> None:
        ray.shutdown()
        self._cluster.shutdown()


@dataclass
class World(SyncWorld):
    """Two hubs and a cluster between them."""

    cluster: RayCluster = field(default=None)

    def __init__(self, cluster, home, environment, source, target) -> None:
        super().__init__(home, environment, source, target)
        self.cluster = cluster

    def run(self, *entries: Entry, asked: Asked | None = None, during=None, **words) -> Summary:
        """Bring these up to date in the cluster; `during` is awaited beside it."""
        jobs = words.pop("jobs", 4)
        file = self.file(*entries)
        runner = RayRunner(jobs, **words)

        async def both() -> Summary:
            beside = asyncio.ensure_future(during()) if during else None
            try:
                return await running.run(file, file.entries, asked or Asked(runner=runner), self.told.append)
            finally:
                if beside is not None:
                    await beside

        return asyncio.run(both())
