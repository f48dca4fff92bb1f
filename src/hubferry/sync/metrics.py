"""What runs of a mirror file come to, as numbers for Prometheus, since this process began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, generate_latest

from hubferry import __version__
from hubferry.events import Retrying
from hubferry.sync.events import Ended, Happened, Started

if TYPE_CHECKING:
    from hubferry.sync.events import Told
    from hubferry.sync.outcome import Outcome, Summary
    from hubferry.sync.watch import Standing

_PREFIX = "hubferry_sync"
_ENTRY = ("entry",)


class Metrics:
    """Count what is told. Labels are entries of the file, and words of ours: their number does not grow."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._registry = CollectorRegistry()
        Info("hubferry_build", "Version that runs.", registry=self._registry).info({"version": __version__})
        self._runs = self._counter("runs", "Runs that have ended.", "result")
        self._repositories = self._counter("repositories", "Repositories done.", "entry", "status")
        self._fetched = self._counter("fetched_bytes", "Bytes from sources.")
        self._sent = self._counter("sent_bytes", "Bytes of blobs to targets.")
        self._commits = self._counter("commits", "Commits made at targets.")
        self._retries = self._counter("retries", "Failures that were waited out.", "kind")
        self._good = self._gauge(
            "last_success_timestamp_seconds", "When a repository was last right.", "entry"
        )
        self._bad = self._gauge("last_failure_timestamp_seconds", "When a repository last failed.", "entry")
        self._running = self._gauge("repositories_running", "Repositories in flight.")
        self._wrong = self._gauge("file_wrong", "1 while the file has a mistake.")
        self._next = self._gauge("next_run_timestamp_seconds", "When something is due.")
        self._took = self._gauge("last_run_seconds", "How long the last run took.")
        self._failed = self._gauge("last_run_failed", "Repositories that failed in the last run.")

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", what, labels, registry=self._registry)

    def take(self, told: Told) -> None:
        """Count one."""
        if isinstance(told, Started):
            self._running.inc()
        elif isinstance(told, Ended):
            self._end(told.outcome)
        elif isinstance(told, Happened) and isinstance(told.event, Retrying):
            self._retries.labels(told.event.kind).inc()

    def ran(self, summary: Summary) -> None:
        """Count a run that has ended."""
        self._runs.labels("failed" if summary.failed else "good").inc()
        self._took.set(summary.seconds)
        self._failed.set(len(summary.failed))
        self._running.set(0)

    def _end(self, outcome: Outcome) -> None:
        name = outcome.job.entry.name
        if outcome.seconds:
            self._running.dec()
        self._repositories.labels(name, outcome.status).inc()
        if outcome.good:
            self._good.labels(name).set(outcome.started + outcome.seconds)
        elif outcome.status == "failed":
            self._bad.labels(name).set(outcome.started + outcome.seconds)
        self._fetched.inc(outcome.fetched)
        self._sent.inc(outcome.sent)
        self._commits.inc(len(outcome.commits))

    def text(self, standing: Standing) -> bytes:
        """Return everything as Prometheus reads it."""
        self._wrong.set(standing.mistake is not None)
        self._next.set(standing.next_at or 0.0)
        return generate_latest(self._registry)
