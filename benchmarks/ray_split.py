"""Measure how a repository of 2 GiB in 32 blobs is copied when each node of a cluster takes a share of it.

    python -m benchmarks.ray_split [--nodes 1,4] [--rate 40] [--mebibytes 2048] [--blobs 32] [--runs 1]

The nodes are on this machine, each with a cache of its own; each worker may fetch and send so many megabytes
a second. Time is that of the run, without the start of the cluster; requests and commits are what the hubs
counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ray.cluster_utils import Cluster

from benchmarks.hubs import TOKEN, running_hub, store_folder
from hubferry.serve import Store
from hubferry.sync import run as running
from hubferry.sync.on_ray.cluster import joined
from hubferry.sync.on_ray.runner import RayRunner
from hubferry.sync.run import Asked
from hubferry.sync.spec import Entry, Manner, SyncFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.hubs import HubProcess
    from hubferry.sync.outcome import Summary
    from hubferry.sync.runner import Runner

MEBIBYTE = 1 << 20
MEGABYTE = 1_000_000
SPLIT = 64 * MEBIBYTE


def main() -> None:
    """Measure without Ray, then with each number of nodes, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", default="1,4")
    parser.add_argument("--rate", type=int, default=40)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--blobs", type=int, default=32)
    parser.add_argument("--runs", type=int, default=1)
    words = parser.parse_args()
    size = words.mebibytes * MEBIBYTE
    manner = Manner(fetch_rate=words.rate * MEGABYTE, send_rate=words.rate * MEGABYTE)
    with store_folder(2 * size) as stores, tempfile.TemporaryDirectory(prefix="hubferry-ray-") as top:
        sha256 = _publish(stores / "source", size, words.blobs)
        with running_hub(stores / "source", "source") as source:
            bench = _Bench(Path(top), stores, source, manner, sha256)
            print("| | seconds | MB/s | requests, source | target | commits |")
            print("|---|---|---|---|---|---|", flush=True)
            bench.measure("without Ray", None, size, words.runs)
            for nodes in map(int, words.nodes.split(",")):
                with bench.cluster(nodes):
                    bench.measure(f"{nodes} of Ray's", RayRunner(1, split=SPLIT), size, words.runs)


def _publish(root: Path, size: int, blobs: int) -> dict[str, str]:
    """Make the repository, and return the sha256 of each of its files."""
    store = Store(root, durable=False)
    files = {f"weights-{number:03}.bin": os.urandom(size // blobs) for number in range(blobs)}
    store.add("bench/large", files | {"config.json": b"{}\n", "README.md": b"---\nlicense: mit\n---\n"})
    repository = store.find("bench/large")
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}


class _Bench:
    def __init__(
        self, top: Path, stores: Path, source: HubProcess, manner: Manner, sha256: dict[str, str]
    ) -> None:
        self._top = top
        self._stores = stores
        self._source = source
        self._manner = manner
        self._sha256 = sha256
        self._config = top / "config.toml"
        self._config.touch(0o600)
        os.environ |= self._environment(top / "driver")

    def _environment(self, home: Path) -> dict[str, str]:
        home.mkdir(parents=True)
        return {
            "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "HUBFERRY_CACHE": str(home / "cache"),
            "HUBFERRY_CONFIG": str(self._config),
        }  # fmt: skip

    @contextlib.contextmanager
    def _target(self) -> Iterator[HubProcess]:
        """Run an empty target, which everybody finds by the configuration file."""
        with (
            tempfile.TemporaryDirectory(dir=self._stores) as folder,
            running_hub(Path(folder), "destination") as hub,
        ):
            hubs = (("hf", self._source), ("ms", hub))
            tables = (f'[hubs.{name}]\nendpoint = "{one.url}"\ntoken = "{TOKEN}"\n' for name, one in hubs)
            self._config.write_text("".join(tables))
            yield hub

    @contextlib.contextmanager
    def cluster(self, nodes: int) -> Iterator[None]:
        """Run a cluster of so many nodes, and a head that takes no work."""
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for number in range(nodes):
                home = self._top / f"nodes-{nodes}" / str(number)
                cluster.add_node(num_cpus=1, env_vars=self._environment(home))
            with joined(cluster.address):
                # A worker's process is started with its first task, and kept: only the first waits for it.
                with self._target():
                    self._run("warm", RayRunner(nodes, split=1))
                yield
        finally:
            cluster.shutdown()

    def measure(self, name: str, runner: Runner | None, size: int, runs: int) -> None:
        """Copy into a new repository each time, and print what it took."""
        taken = []
        for _number in range(runs):
            with self._target() as target:
                self._source.drain(), target.drain()
                begun = time.monotonic()
                summary = self._run("large", runner)
                taken.append(time.monotonic() - begun)
                there, here = self._source.drain(), target.drain()
                [outcome] = summary.outcomes
                if not outcome.good or target.listing("mirror/large") != self._sha256:
                    raise SystemExit(f"not copied: {outcome.error}")
        seconds = statistics.median(taken)
        rate = size / seconds / MEGABYTE
        print(
            f"| {name} | {seconds:.1f} | {rate:.0f} | {there.requests} | {here.requests} | {here.commits} |",
            flush=True,
        )

    def _run(self, name: str, runner: Runner | None) -> Summary:
        include = () if name == "large" else ("weights-00[0-7].bin",)
        entry = Entry(name, "hf:bench/large", f"ms:mirror/{name}", include=include, cache=False)
        file = SyncFile(self._top / "mirrors.yaml", (entry,))
        return asyncio.run(running.run(file, file.entries, Asked(manner=self._manner, runner=runner)))


if __name__ == "__main__":
    sys.exit(main())
