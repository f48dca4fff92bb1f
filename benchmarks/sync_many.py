"""Measure a nightly run of many small repositories in which nothing has changed.

    python -m benchmarks.sync_many [--repositories 200,800] [--runs 3]

Each request waits 30 ms at either hub (the link `wan`). Time, processor and memory are those of the command
`hubferry sync run`; requests are what the hubs counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measure
from benchmarks.hubs import TOKEN, running_hub
from hubferry.serve import Store

if TYPE_CHECKING:
    from benchmarks.hubs import HubProcess

LINK = "wan"
_FILE = """\
version: 1
sync:
  - {source: "hf:bench/*", target: "ms:mirror/{name}"}
"""


def main() -> None:
    """Measure each size, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repositories", default="200,800")
    parser.add_argument("--runs", type=int, default=3)
    words = parser.parse_args()
    print("| repositories | seconds | CPU s | peak MiB | requests each, source | target |")
    print("|---|---|---|---|---|---|")
    for size in map(int, words.repositories.split(",")):
        with tempfile.TemporaryDirectory(prefix="hubferry-sync-") as top:
            print(_row(Path(top), size, words.runs), flush=True)


def _row(top: Path, count: int, runs: int) -> str:
    _publish(top / "source", count)
    with (
        running_hub(top / "source", "source") as source,
        running_hub(top / "target", "destination") as target,
    ):
        (top / "home").mkdir()
        (top / "home" / "hubferry-sync.yaml").write_text(_FILE)
        _run(top, source, target)
        for hub in (source, target):
            hub.shape(LINK)
        taken, asked = [], (0.0, 0.0)
        for _number in range(runs):
            source.drain(), target.drain()
            taken.append(_run(top, source, target))
            asked = (source.drain().requests / count, target.drain().requests / count)
    wall, cpu, memory = (
        statistics.median(figures)
        for figures in zip(*((one.wall, one.cpu, one.memory) for one in taken), strict=True)
    )
    return f"| {count} | {wall:.1f} | {cpu:.1f} | {memory / 1048576:.0f} | {asked[0]:.2f} | {asked[1]:.2f} |"


def _publish(root: Path, count: int) -> None:
    store = Store(root, durable=False)
    for number in range(count):
        name = f"m{number:04}"
        store.add(
            f"bench/{name}",
            {
                "README.md": f"---\nlicense: mit\n---\n# {name}\n".encode(),
                "config.json": b'{"model_type": "bert"}\n',
                "vocab.txt": name.encode() * 100,
                "weights.bin": os.urandom(4096),
            },
        )


def _run(top: Path, source: HubProcess, target: HubProcess) -> measure.Usage:
    home = top / "home"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HUBFERRY_CONFIG": "none",
        "HF_ENDPOINT": source.url,
        "HF_TOKEN": TOKEN,
        "MODELSCOPE_ENDPOINT": target.url,
        "MODELSCOPE_API_TOKEN": TOKEN,
    }
    command = [sys.executable, "-m", "hubferry", "sync", "run", "--quiet"]
    used = measure.run(command, environment, home, top / "log")
    if used.code:
        raise SystemExit((top / "log").read_text())
    return used


if __name__ == "__main__":
    main()
