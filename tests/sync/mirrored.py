"""What the tests of mirrors share: a source with repositories, a target, a file between them."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.sync import run as running
from hubferry.sync.run import Asked
from hubferry.sync.spec import Entry, SyncFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from servers import TestHub

    from hubferry.sync.events import Told
    from hubferry.sync.outcome import Change, Summary

KIB = 1024
EVERYTHING = Asked()


@dataclass
class World:
    """A home, two hubs, and what somebody does with them."""

    home: Path
    environment: dict[str, str] = field(repr=False)
    source: TestHub
    target: TestHub
    told: list[Told] = field(default_factory=list)

    def publish(self, repo_id: str, files: Mapping[str, bytes] | None = None, **words) -> str:
        """Commit files at the source; return the commit."""
        return self.source.store.add(repo_id, files or small_model(repo_id), **words).id

    def file(self, *entries: Entry, **words) -> SyncFile:
        """Return a mirror file that says so."""
        return SyncFile(self.home / "hubferry-sync.yaml", entries, **words)

    def run(self, *entries: Entry, asked: Asked = EVERYTHING, **words) -> Summary:
        """Bring these up to date."""
        file = self.file(*entries, **words)
        return asyncio.run(running.run(file, file.entries, asked, self.told.append))

    def check(self, *entries: Entry, asked: Asked = EVERYTHING, **words) -> tuple[Change, ...]:
        file = self.file(*entries, **words)
        return asyncio.run(running.check(file, file.entries, asked, self.told.append))

    def held(self, repo_id: str, kind: str = "model") -> dict[str, str]:
        """What the target really holds: path to sha256."""
        return stored(self.target, repo_id, kind)

    def original(self, repo_id: str, kind: str = "model") -> dict[str, str]:
        """What the source really holds."""
        return stored(self.source, repo_id, kind)


def stored(hub: TestHub, repo_id: str, kind: str = "model") -> dict[str, str]:
    repository = hub.store.find(repo_id, kind)
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}


def small_model(seed: str, size: int = 40 * KIB) -> dict[str, bytes]:
    """A model of three files that depends on its seed alone."""
    weights = random.Random(seed).randbytes(size)
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    header += b" " * (-len(header) % 8)
    return {
        "README.md": f"---\nlicense: mit\n---\n# {seed}\n".encode(),
        "config.json": b'{"model_type": "bert"}\n',
        "model.safetensors": len(header).to_bytes(8, "little") + header + weights,
    }


def entry(source: str, target: str, **words) -> Entry:
    return Entry(words.pop("name", source), source, target, **words)


def by_source(summary: Summary) -> dict[str, str]:
    return {one.job.source: one.status for one in summary.outcomes}


def names(outcomes: Sequence) -> list[str]:
    return [one.job.source for one in outcomes]
