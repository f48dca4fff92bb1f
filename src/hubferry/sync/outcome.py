"""What became of each repository, and of a whole run. Values only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hubferry.beside import NameCopied, PullRequest
    from hubferry.errors import HubferryError
    from hubferry.model import Plan
    from hubferry.sync.spec import Job

Status = Literal["same", "copied", "failed", "skipped", "stopped"]
"""Nothing to do, and seen to be so; changed, and proven; not proven; not begun; broken off.
Not begun is what --fail-fast left, and what failed so lately that its pause is not over."""


@dataclass(frozen=True, slots=True)
class FileProof:
    """One file as the target's own listing had it after the copy.

    Attributes:
        path: In the repository.
        size: Bytes.
        sha256: Hex; None where the target lists none (a small file kept in git).
        git_sha1: Hex git blob id; None where it lists none.
    """

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job.

    Attributes:
        job: Which.
        status: How it ended.
        started: Seconds since 1970.
        seconds: Wall time.
        source_commit: What was copied; empty where it did not come so far.
        target_commit: The target's head after it.
        commits: Those that this job made.
        fetched: Bytes from the source.
        sent: Bytes of blobs to the target.
        files: Files that the target holds as the source has them.
        size: Their bytes.
        names: Tags and branches that are as they should be.
        proof: Each file, for the receipt; empty unless one was asked for.
        others: Paths that the target has besides, for the receipt.
        notes: Sentences for a person: what was left out, what the target cannot do.
        adapted: Paths of files that were changed on their way.
        edited: Paths to which the target's hub has added lines of its own.
        verified_by: Names of the source's own files by which it was verified.
        pull_request: Where the copy was proposed.
        error: Why it failed.
    """

    job: Job
    status: Status
    started: float
    seconds: float = 0.0
    source_commit: str = ""
    target_commit: str = ""
    commits: tuple[str, ...] = ()
    fetched: int = 0
    sent: int = 0
    files: int = 0
    size: int = 0
    names: tuple[NameCopied, ...] = ()
    proof: tuple[FileProof, ...] = field(default=(), repr=False)
    others: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    verified_by: tuple[str, ...] = ()
    pull_request: PullRequest | None = None
    error: HubferryError | None = None

    @property
    def good(self) -> bool:
        """Whether the target was seen to hold what it should."""
        return self.status in ("same", "copied")


@dataclass(frozen=True, slots=True)
class Change:
    """What `check` found for one job: a plan and the names to make, or why there is none."""

    job: Job
    plan: Plan | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    error: HubferryError | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run; good when every outcome is."""

    started: float
    seconds: float
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that are not proven."""
        return tuple(one for one in self.outcomes if not one.good)
