"""Prove that a link is what it says: curl, alone and in numbers, in both directions."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from benchmarks.contestants import Task, blob_address, file_address
from benchmarks.hubs import TOKEN, running_hub, store_folder
from benchmarks.links import LINKS, MEGABYTE, Rates

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.hubs import HubProcess
    from benchmarks.repositories import Repository

_SECONDS = 3.0
_MOST = 16


@dataclass(frozen=True, slots=True)
class LinkCheck:
    """What one direction of a link let through.

    Attributes:
        link: Which.
        direction: `source` to the client, or the client to `destination`.
        connections: How many at once.
        promised: Bytes a second.
        measured: Bytes a second.
    """

    link: str
    direction: str
    connections: int
    promised: float
    measured: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.link}: {self.direction}, {self.connections} connections: "
            f"{self.measured / MEGABYTE:.1f} MB/s of {self.promised / MEGABYTE:.1f}"
        )


def check_link(name: str, source: HubProcess, repository: Repository, folder: Path) -> list[LinkCheck]:
    """Measure one and many connections in both directions; an open link has nothing to prove.

    Nor has an encrypted one: its rates are those of the link without.
    """
    link = LINKS[name]
    if link.source.total is None or link.encrypted:
        return []
    source.shape(name)
    with store_folder(1 << 30) as store, running_hub(store, "destination") as destination:
        destination.shape(name)
        task = Task(repository, source.url, destination.url)
        found = [_fetch(task, name, link.source, count) for count in (1, _enough(link.source))]
        found += [
            _send(destination.url, name, link.destination, count, folder)
            for count in sorted({1, _enough(link.destination)})
        ]
    source.drain()
    return found


def _enough(rates: Rates) -> int:
    """Return the connections that fill the whole link, and more."""
    return min(_MOST, round(1.5 * (rates.total or 0) / (rates.connection or 1)))


def _promised(rates: Rates, count: int) -> float:
    return min((rates.connection or 0) * count, rates.total or 0)


def _fetch(task: Task, name: str, rates: Rates, count: int) -> LinkCheck:
    promised = _promised(rates, count)
    size = min(int(promised * _SECONDS / count), task.repository.largest)
    curl = ["curl", "-sfL", "-o", "/dev/null", "-r", f"0-{size - 1}", "-H", f"Authorization: Bearer {TOKEN}"]
    seconds = _together([[*curl, file_address(task)]] * count) - 2 * rates.latency
    return LinkCheck(name, "source", count, promised, size * count / seconds)


def _send(hub: str, name: str, rates: Rates, count: int, folder: Path) -> LinkCheck:
    promised = _promised(rates, count)
    size = int(promised * _SECONDS / count)
    file = folder / "to-send"
    with file.open("wb") as empty:
        empty.truncate(size)
    commands = []
    for number in range(count):
        # the hub refuses these bytes, which are not the blob's, but only when it has them all
        address = blob_address(hub, sha256(b"%d" % number).hexdigest(), size)
        commands.append(["curl", "-s", "-o", "/dev/null", "-T", str(file), address])
    seconds = _together(commands) - rates.latency
    file.unlink()
    return LinkCheck(name, "destination", count, promised, size * count / seconds)


def _together(commands: list[list[str]]) -> float:
    started = time.monotonic()
    processes = [subprocess.Popen(command) for command in commands]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise RuntimeError(f"curl ended with {max(codes)}")
    return time.monotonic() - started
