"""What a mirror has done since it began, as numbers: for its log, and for Prometheus."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_PREFIX = "hubferry_mirror"


@dataclass(slots=True)
class Counts:
    """Numbers since the beginning; bytes are those of content.

    Attributes:
        hits: Answers with content that was here whole.
        misses: Answers with content that had to be fetched, or was being fetched.
        served: Bytes that clients got.
        fetched: Bytes that came from upstream.
        questions: Answers about repositories, by whether they were `fresh`, or `stale`.
        wrong: Files that came with wrong bytes.
        evicted: Bytes that were removed for the quota.
    """

    hits: int = 0
    misses: int = 0
    served: int = 0
    fetched: int = 0
    fresh: int = 0
    stale: int = 0
    refused: int = 0
    wrong: int = 0
    evicted: int = 0
    began: float = field(default_factory=time.time)

    @property
    def saved(self) -> int:
        """Bytes that upstream did not have to send."""
        return max(0, self.served - self.fetched)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        self._register(registry)
        return generate_latest(registry)

    def _register(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge

        for name, what, value in (
            ("hits", "Answers with content that was here whole.", self.hits),
            ("misses", "Answers with content that had to be fetched.", self.misses),
            ("served_bytes", "Bytes of content that clients got.", self.served),
            ("upstream_bytes", "Bytes of content from upstream.", self.fetched),
            ("wrong_files", "Files that came with wrong bytes.", self.wrong),
            ("evicted_bytes", "Bytes removed for the quota.", self.evicted),
            ("refused", "Requests that were refused.", self.refused),
        ):
            Counter(f"{_PREFIX}_{name}", what, registry=registry).inc(value)
        answers = Counter(f"{_PREFIX}_answers", "Answers about repositories.", ["state"], registry=registry)
        answers.labels("fresh").inc(self.fresh)
        answers.labels("stale").inc(self.stale)
        saved = "Bytes that upstream did not have to send."
        Gauge(f"{_PREFIX}_saved_bytes", saved, registry=registry).set(self.saved)
        start = "When this process began."
        Gauge(f"{_PREFIX}_start_time_seconds", start, registry=registry).set(self.began)
