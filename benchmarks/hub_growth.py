"""Measure what a long history costs the embedded hub: time of the first requests after a start, and memory.

    python -m benchmarks.hub_growth [--quick]

Each measurement is made in a process of its own. *stall* is the longest time in which the hub's event loop
answered nobody else; memory is what the process got on top while it answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from hubferry.serve import Policy, Store, create_application
from hubferry.serve.records import CommitRecord, FileRecord
from hubferry.serve.server import start

_OLDER = (100, 400, 700)
"""Which commits are asked for after the head, counted from it, in parts of a thousand of the history."""
_TICK = 0.001


@dataclass(frozen=True, slots=True)
class History:
    """What a repository went through: its files, its commits, and how many files each of them changes."""

    files: int
    commits: int
    changed: int

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.files:,} files, {self.commits:,} commits of {self.changed:,}"


WIDE, LONG = History(60_000, 2_000, 30), History(2_000, 1_600, 2_000)
QUICK_WIDE, QUICK_LONG = History(6_000, 200, 30), History(200, 160, 200)


def make(root: Path, history: History) -> None:
    """Write a store with one repository."""
    with ExitStack() as stack:
        stack.enter_context(patch("hubferry.serve.disk.os.fsync", lambda _it: None))
        repository = Store(root, durable=False).create("org/model")
        parent = repository.resolve(None)
        step = 0
        for number in range(history.commits):
            changes = {}
            for _ in range(history.files if number == 0 else history.changed):
                changes[f"folder-{step % history.files // 100}/{step % history.files}.json"] = file_of(step)
                step += 1
            record = CommitRecord(
                "", parent, 1_000.0 + number, f"commit {number}", "", "local", dict(changes)
            )
            parent = repository.history.append(record).id
        repository.change(branches={"main": parent})


def file_of(number: int) -> FileRecord:
    """Return the record of one file; no listing needs its content."""
    return FileRecord(f"{number:064x}", number, f"{number:040x}")


def resident() -> int:
    """Return this process's resident bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def watched(question: asyncio.Task[str]) -> tuple[float, float]:
    """Return the seconds that a question took, and the longest in which the loop did nothing else."""
    started = time.perf_counter()
    stall = 0.0
    while not question.done():
        asked = time.perf_counter()
        await asyncio.sleep(_TICK)
        stall = max(stall, time.perf_counter() - asked - _TICK)
    await question
    return time.perf_counter() - started, stall


async def ask(root: Path) -> dict[str, list[float]]:
    """Ask a hub for a file of its head and of some older commits."""
    import aiohttp  # only here: the parent process need not load it

    opened = time.perf_counter()
    store = Store(root)
    ready = time.perf_counter() - opened
    repository = store.find("org/model")
    commits = [record.id for record in repository.history.walk(repository.resolve(None))]
    chosen = ["main", *(commits[len(commits) * share // 1000] for share in _OLDER)]
    del commits
    store = Store(root)  # what was just read is forgotten
    before = resident()
    running = await start(create_application(store, Policy()))
    seconds, stalls = [], []
    async with aiohttp.ClientSession() as session:

        async def question(commit: str) -> str:
            address = f"{running.url}/api/models/org/model/tree/{commit}?recursive=true&limit=10"
            async with session.get(address) as answer:
                return await answer.text()

        for commit in chosen:
            took, stall = await watched(asyncio.ensure_future(question(commit)))
            seconds.append(took)
            stalls.append(stall)
    grown = resident() - before
    await running.stop()
    return {"open": [ready], "seconds": seconds, "stalls": stalls, "grown": [grown / 2**20]}


def measure(history: History) -> None:
    """Measure one history, and print a row; the second time what the first one wrote is there."""
    with tempfile.TemporaryDirectory(prefix="hub-growth-") as top:
        make(Path(top), history)
        for turn in ("first start", "next start"):
            line = [sys.executable, "-m", "benchmarks.hub_growth", "--ask", top]
            found = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)
            older = max(found["seconds"][1:])
            print(
                f"| {history.name}, {turn} | {found['seconds'][0]:.3f} s | {older:.3f} s "
                f"| {max(found['stalls']):.3f} s | {found['grown'][0]:.0f} MiB |",
                flush=True,
            )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller histories")
    parser.add_argument("--ask", metavar="STORE", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ask:
        print(json.dumps(asyncio.run(ask(Path(asked.ask)))))
        return
    print(
        "| history | listing, first | an older commit, at most | stall | memory |\n|---|---:|---:|---:|---:|"
    )
    for history in (QUICK_WIDE, QUICK_LONG) if asked.quick else (WIDE, LONG):
        measure(history)


if __name__ == "__main__":
    main()
