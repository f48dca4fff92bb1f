"""What was measured, and the medians of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Usage

NO_LINK = "-"
"""The link of what needs no hub."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one hub saw.

    Attributes:
        requests: Answered requests.
        commits: Commits made.
        received: Bytes from clients, heads included.
        sent: Bytes to clients, heads included.
        routes: Requests by method and purpose.
        cpu: Seconds of processor time the hub itself used.
    """

    requests: int = 0
    commits: int = 0
    received: int = 0
    sent: int = 0
    routes: dict[str, int] = field(default_factory=dict)
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one contestant in one cell.

    Attributes:
        cell: What was done.
        link: Over which link.
        contestant: By whom.
        usage: The client, measured from outside.
        source: What the source saw.
        destination: What the destination saw.
        fault: Why the run does not count, None when it does.
    """

    cell: str
    link: str
    contestant: str
    usage: Usage
    source: Traffic = Traffic()
    destination: Traffic = Traffic()
    fault: str | None = None


@dataclass
class Results:
    """All measurements of one run of the benchmark.

    Attributes:
        measurements: In the order in which they were made.
        limits: Seconds that a cell cannot undercut over a link.
        sizes: Bytes of each cell's repository.
    """

    measurements: list[Measurement] = field(default_factory=list)
    limits: dict[tuple[str, str], float | None] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def of(self, cell: str, link: str, contestant: str) -> list[Measurement]:
        """Return the measurements that count."""
        return [
            one
            for one in self.measurements
            if (one.cell, one.link, one.contestant) == (cell, link, contestant) and one.fault is None
        ]

    def median(
        self, cell: str, link: str, contestant: str, figure: Callable[[Measurement], float]
    ) -> float | None:
        """Return the median of a figure, None when nothing that counts was measured."""
        return (
            median(values) if (values := [figure(one) for one in self.of(cell, link, contestant)]) else None
        )


def wall(one: Measurement) -> float:
    """Seconds."""
    return one.usage.wall


def cpu(one: Measurement) -> float:
    """Seconds of processor time of the client."""
    return one.usage.user + one.usage.system


def memory(one: Measurement) -> float:
    """Peak bytes of the client."""
    return one.usage.memory


def disk(one: Measurement) -> float:
    """Peak bytes in the client's folder."""
    return one.usage.disk


def fetched(one: Measurement) -> float:
    """Bytes the source sent."""
    return one.source.sent


def sent(one: Measurement) -> float:
    """Bytes the destination received."""
    return one.destination.received


def commits(one: Measurement) -> float:
    """Commits at the destination."""
    return one.destination.commits


def requests_there(one: Measurement) -> float:
    """Requests at the destination."""
    return one.destination.requests


def requests_here(one: Measurement) -> float:
    """Requests at the source."""
    return one.source.requests


def requests_everywhere(one: Measurement) -> float:
    """Requests at both hubs."""
    return one.source.requests + one.destination.requests
