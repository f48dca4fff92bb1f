"""What a mirror file says, as values. No I/O.

SyncFile ─► Entry (a line of `sync:`) ─► Job (one repository; `jobs.py` expands owners and patterns)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hubferry.names.model import Wanted
from hubferry.names.rules import Names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hubferry.config.settings import HubSettings
    from hubferry.options import Card

Visible = Literal["source", "private", "public"]
"""Who may read a target: as the source has it; nobody else; everybody, also what is hidden at the source."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in the file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Selection(Names):
    """Which repositories of an owner to take. What the hub does not say of one never takes it.

    Attributes:
        newer_than: Changed since: seconds since 1970, or (`age`) seconds before now.
        age: Changed within so many seconds.
        larger_than: Bytes of the files that the entry selects, at least.
        smaller_than: Bytes, at most.
        tags: Each of these labels of the hub.
        pipeline: This task, as `text-generation`.
        limit: Most repositories, the last changed first.
    """

    newer_than: float | None = None
    age: float | None = None
    larger_than: int | None = None
    smaller_than: int | None = None
    tags: tuple[str, ...] = ()
    pipeline: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """Whether files go at the target that the source does not have.

    Attributes:
        wanted: False keeps them all, which is the default.
        most: `20` files or `10%` of the target's; more of them stop the copy. None for no cap.
    """

    wanted: bool = False
    most: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When `watch` runs an entry; all that is said counts.

    Attributes:
        cron: Five fields, in the machine's time zone.
        every: Seconds from the end of one run to the begin of the next.
        at_start: Whether it runs once as soon as `watch` begins.
    """

    cron: str | None = None
    every: float | None = None
    at_start: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `sync:`, with the defaults laid under it.

    Attributes:
        name: Of its own, or made of the source: `hf:org/name`. No other entry has it.
        source: A repository, `hf:Qwen/*` for an owner's, `hf:datasets/org/*` for its datasets, or a folder.
        target: A repository or a folder; `{owner}` and `{name}` stand for the source's.
        repos: Which of an owner's repositories; None where `source` names one.
        tags: Which tags are copied, each as a commit and a tag; None for none.
        branches: Likewise.
        include: Globs of paths to take; empty takes all.
        exclude: Globs to leave out.
        delete: What is deleted at the target.
        visibility: Of the target.
        license: Of a target that has to be created; None follows the source.
        card: Whether a model card goes as it is.
        allow: Kinds of entries to copy all the same, as `copy --allow`.
        message: Of the commits; None writes one that names the source's commit.
        keep_going: Publish the good files although some failed.
        cache: Whether payload stays in the cache.
        schedule: For `watch`; None is never run by it.
        position: Where it stands in the file.
    """

    name: str
    source: str
    target: str
    repos: Selection | None = None
    tags: Names | None = None
    branches: Names | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    delete: Deletion = Deletion()
    visibility: Visible = "source"
    license: str | None = None
    card: Card = "exact"
    allow: frozenset[str] = frozenset()
    message: str | None = None
    keep_going: bool = False
    cache: bool = True
    schedule: Schedule | None = None
    position: Position | None = None

    @property
    def is_pattern(self) -> bool:
        """Whether it means whatever an owner has."""
        return self.repos is not None

    @property
    def has_names(self) -> bool:
        """Whether tags or branches are copied besides the branch itself."""
        return self.tags is not None or self.branches is not None


@dataclass(frozen=True, slots=True)
class SyncFile:
    """All of a mirror file.

    Attributes:
        path: Where it was read.
        entries: In the order of the file.
        hubs: Hubs that it names, or budgets of those that everybody knows (`commits_per_hour`, ...).
        jobs: Repositories at once.
        split: Bytes from which on Ray cuts a repository over several nodes; None never does.
        receipts: Directory for receipts; None writes none.
    """

    path: Path
    entries: tuple[Entry, ...]
    hubs: Mapping[str, HubSettings] = field(default_factory=dict)
    jobs: int = 4
    split: int | None = None
    receipts: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One repository to bring up to date. It holds no secret, and travels to other machines as it is.

    Attributes:
        entry: The line that it comes from.
        source: `hf:org/name`, always with its hub; no revision unless the entry has one.
        target: Likewise, or a folder.
        proven: Tags and branches that an earlier run left right, by name: the source's commit, the target's.
    """

    entry: Entry
    source: str
    target: str
    proven: Mapping[str, tuple[str, str]] = field(default_factory=dict, compare=False)

    @property
    def wanted(self) -> Wanted:
        """What is copied of it, with its tags and branches."""
        return Wanted(self.source, self.target, self.entry.tags, self.entry.branches)


@dataclass(frozen=True, slots=True)
class Manner:
    """How jobs are done, wherever they are; no secret either.

    Attributes:
        connections: Most connections of one copy in each direction; None adapts.
        fetch_rate: Bytes a second from each source; None for no limit.
        send_rate: Bytes a second to each target.
        cache_root: Another cache root than the default one.
        proof: Whether each file is to be named with its sha256, for a receipt.
    """

    connections: int | None = None
    fetch_rate: int | None = None
    send_rate: int | None = None
    cache_root: Path | None = None
    proof: bool = False
