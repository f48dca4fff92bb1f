"""What comes of a run: how two listings compare, what a copy did, what a fetch brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hubferry.beside import NameCopied, PullRequest
    from hubferry.findings import Finding
    from hubferry.model import Digests, Plan, RepoFile


class Verdict(str, Enum):
    """How one path compares between two listings."""

    SAME = "same"
    DIFFERS = "differs"
    ONLY_SOURCE = "only-source"
    ONLY_DESTINATION = "only-destination"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One path of a comparison."""

    path: str
    verdict: Verdict
    source: RepoFile | None = None
    destination: RepoFile | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, in numbers; exit code 0 means that `verified` is True.

    Attributes:
        plan: What was meant to happen.
        commits: The destination's commits made by this run.
        fetched: Bytes that came over the network from the source.
        sent: Bytes of blobs that went to the destination; small files travel inside the commits.
        reused: Bytes that were not sent because the destination's storage had them.
        verified: Whether the destination's own listing was read afterwards and matches.
        seconds: Wall time.
        files: How many files the destination now holds as the source has them.
        size: Their bytes.
        digests: What content hashes to that was read in this run or is in the cache, by path.
        edited: Paths to which the destination's hub has added lines of its own.
        names: Tags and branches that are as they should be.
        pull_request: Where it was published as one.
    """

    plan: Plan
    commits: tuple[str, ...] = ()
    fetched: int = 0
    sent: int = 0
    reused: int = 0
    verified: bool = False
    seconds: float = 0.0
    files: int = 0
    size: int = 0
    digests: Mapping[str, Digests] = field(default_factory=dict, repr=False)
    edited: tuple[str, ...] = ()
    names: tuple[NameCopied, ...] = ()
    pull_request: PullRequest | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was asked for of a model, in the cache and verified.

    Attributes:
        path: Its directory.
        commit: The commit it holds.
        files: How many files, of those that were selected.
        size: Their bytes.
        fetched: Bytes that came over the network in this run.
        asked: Whether the hub was asked; False when the cache answered alone (offline).
        whole: Whether the directory holds all of the commit.
        arrived: When the commit came in, in seconds since 1970; None where that is not known, or is now.
        findings: What was left out, or should be known.
        signed: As `Revision.signed`.
    """

    path: Path
    commit: str
    files: int
    size: int
    fetched: int
    asked: bool = True
    whole: bool = True
    arrived: float | None = None
    findings: tuple[Finding, ...] = ()
    signed: tuple[str, ...] = ()
