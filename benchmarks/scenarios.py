"""Carry out one cell: a fresh HOME, a fresh destination, one contestant, and a look at what was published."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import DESTINATION, Contestant, Task, environment
from benchmarks.fronts import front
from benchmarks.hubs import HubProcess, running_hub, store_folder
from benchmarks.links import LINKS
from benchmarks.measure import run
from benchmarks.repositories import CHANGED_BRANCH, Repository
from benchmarks.results import Measurement, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.matrix import Cell
    from benchmarks.measure import Usage

KILL_SHARE = 0.75
"""When a copy is killed, as a share of the link's limit."""

_KILL_WITHOUT_LIMIT = 2.0
_OPEN = "open"
"""The rates of every link that has none, encrypted or not."""
_LOG_TAIL = 1500
_PATIENCE = 1800.0
"""Seconds after which a run is ended and counts as failed."""
_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Bench:
    """A source that holds the repositories; each measurement brings its own destination."""

    source: HubProcess
    repositories: Mapping[str, Repository]
    homes: Path

    def measure(self, cell: Cell, contestant: Contestant) -> Measurement:
        """Run one contestant in one cell."""
        repository = self.repositories[cell.repository]
        with (
            store_folder(2 * repository.size) as store,
            running_hub(store, "destination") as destination,
            _home(self.homes) as home,
            contextlib.ExitStack() as more,
        ):
            client = _Client(contestant, self.source, destination, home)
            task = Task(repository, self.source.url, destination.url)
            if LINKS[cell.link].encrypted:
                task = more.enter_context(_encrypted(task, self.homes))
            measured = self._carry_out(cell, client, task)
        return replace(measured, cell=cell.name, link=cell.link)

    def _carry_out(self, cell: Cell, client: _Client, task: Task) -> Measurement:
        if cell.scenario == "killed":
            limit = LINKS[cell.link].limit(task.repository.size, task.repository.largest)
            seconds = KILL_SHARE * limit if limit else _KILL_WITHOUT_LIMIT
            killed = client.run(task, cell.link, kill_after=seconds)
            return _joined(killed, client.run(task, cell.link))
        if cell.scenario in ("again", "changed"):
            first = client.run(task, _OPEN)
            if first.fault:
                return first
        if cell.scenario == "changed":
            task = replace(task, repository=self.repositories["changed"], revision=CHANGED_BRANCH)
        return client.run(task, cell.link)


@dataclass(frozen=True, slots=True)
class _Client:
    """One contestant between two hubs."""

    contestant: Contestant
    source: HubProcess
    destination: HubProcess
    home: Path

    def run(self, task: Task, link: str, *, kill_after: float | None = None) -> Measurement:
        command = self.contestant.command(task)
        for hub in (self.source, self.destination):
            hub.shape(link)
            hub.drain()
        os.sync()  # what an earlier run left to be written must not slow this one
        log = self.home.with_suffix(".log")
        usage = run(command, environment(task, self.home), self.home, log, kill_after=kill_after or _PATIENCE)
        source, destination = self.source.drain(), self.destination.drain()
        fault = None if kill_after is not None else self._fault(task, usage, log)
        return Measurement("", link, self.contestant.name, usage, source, destination, fault)

    def _fault(self, task: Task, usage: Usage, log: Path) -> str | None:
        if usage.code:
            return f"exit code {usage.code}\n{log.read_text(errors='replace')[-_LOG_TAIL:]}"
        if not self.contestant.publishes:
            return None
        self.destination.shape(_OPEN)
        there = self.destination.listing(DESTINATION)
        wrong = [path for path, digest in task.repository.files.items() if there.get(path) != digest]
        return f"not published, or wrong: {', '.join(wrong[:5])}" if wrong else None


def _joined(first: Measurement, second: Measurement) -> Measurement:
    """Return two runs as one: the sums, and the higher peaks."""
    a, b = first.usage, second.usage
    usage = replace(
        b,
        wall=a.wall + b.wall,
        user=a.user + b.user,
        system=a.system + b.system,
        memory=max(a.memory, b.memory),
        disk=max(a.disk, b.disk),
    )
    source, destination = _sum(first.source, second.source), _sum(first.destination, second.destination)
    return replace(second, usage=usage, source=source, destination=destination)


def _sum(a: Traffic, b: Traffic) -> Traffic:
    return Traffic(
        requests=a.requests + b.requests,
        commits=a.commits + b.commits,
        received=a.received + b.received,
        sent=a.sent + b.sent,
        routes={name: a.routes.get(name, 0) + b.routes.get(name, 0) for name in {**a.routes, **b.routes}},
        cpu=a.cpu + b.cpu,
    )


@contextlib.contextmanager
def _encrypted(task: Task, folder: Path) -> Iterator[Task]:
    """Give the same task with TLS before both hubs."""
    with front(task.source) as source, front(task.destination) as destination:
        believed = folder / "believed.pem"
        believed.write_bytes(source.certificate.read_bytes() + destination.certificate.read_bytes())
        yield replace(task, source=source.url, destination=destination.url, certificates=believed)


@contextlib.contextmanager
def _home(homes: Path) -> Iterator[Path]:
    """Make a fresh HOME below `homes`; afterwards its large files go, and the rest stays until the end.

    For minutes after many small files were removed, ext4 takes a millisecond to create one, because it does
    not use their inodes again so soon (`recently_deleted` in fs/ext4/ialloc.c); the next in turn would pay.
    """
    home = Path(tempfile.mkdtemp(prefix="home-", dir=homes))
    try:
        yield home
    finally:
        for path in home.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and path.lstat().st_size > _LARGE:
                    path.unlink()
