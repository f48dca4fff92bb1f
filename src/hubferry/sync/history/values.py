"""What is remembered of runs, as values. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.beside import NameCopied
    from hubferry.sync.outcome import Status
    from hubferry.sync.spec import Entry, Job

Kind = Literal["run", "watch"]
Ending = Literal["finished", "failed", "stopped"]
"""Everything proven; something not; ended by a person or a signal."""
How = Literal["finished", "failed", "stopped", "running", "broken-off"]
"""As `Ending`; still at it; gone without an end, as after `kill -9` or a power cut."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a repository failed, as it was told then.

    Attributes:
        kind: The class of `hubferry.errors`.
        message: In the language of that run.
        hint: What to type next.
        side: Where it happened.
        path: Of which file.
        exit_code: Of the class.
        others: What else stopped it; of many files the first ones.
    """

    kind: str
    message: str
    hint: str | None = None
    side: str | None = None
    path: str | None = None
    exit_code: int = 1
    others: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class PastOutcome:
    """What became of one repository in one run.

    Attributes:
        run: Which run.
        entry: Name of the line in the mirror file.
        source: As `Job.source`.
        target: As `Job.target`.
        status: How it ended.
        started: Seconds since 1970.
        seconds: Wall time.
        source_commit: Empty where it did not come so far.
        target_commit: Likewise.
        commits: Those that it made.
        names: Tags and branches that it made or moved.
        fetched: Bytes from the source.
        sent: Bytes of blobs to the target.
        files: Files that the target held as the source.
        size: Their bytes.
        notes: Sentences for a person.
        error: Why it failed.
        failures: How often it had failed in a row, this time included.
        next_try: Seconds since 1970 before which it was to be left alone; None where it was not.
    """

    run: int
    entry: str
    source: str
    target: str
    status: Status
    started: float
    seconds: float
    source_commit: str = ""
    target_commit: str = ""
    commits: tuple[str, ...] = ()
    names: tuple[NameCopied, ...] = ()
    fetched: int = 0
    sent: int = 0
    files: int = 0
    size: int = 0
    notes: tuple[str, ...] = ()
    error: Failure | None = None
    failures: int = 0
    next_try: float | None = None


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of a mirror file.

    Attributes:
        id: Number, never given again.
        file: The mirror file.
        kind: By which command.
        started: Seconds since 1970.
        ended: Likewise; None where nobody wrote it down.
        how: How it ended, or that it goes on.
        host: Machine.
        pid: Process.
        version: Of hubferry.
        counts: Repositories by status.
        fetched: Bytes from sources.
        sent: Bytes of blobs to targets.
        commits: How many were made.
        last_sign: When something was last recorded of it, seconds since 1970.
    """

    id: int
    file: str
    kind: Kind
    started: float
    ended: float | None
    how: How
    host: str
    pid: int
    version: str
    counts: Mapping[Status, int] = field(default_factory=dict)
    fetched: int = 0
    sent: int = 0
    commits: int = 0
    last_sign: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took, as far as that is known."""
        return max(0.0, (self.last_sign if self.ended is None else self.ended) - self.started)


@dataclass(frozen=True, slots=True)
class Memory:
    """What all runs together know of a source and its target; pruning old runs does not forget it.

    Attributes:
        source: As `Job.source`.
        target: As `Job.target`.
        status: Of the last outcome that was begun.
        ended: When that was, seconds since 1970.
        failures: Failures in a row; 0 after a success.
        next_try: Seconds since 1970 before which it is to be left alone; None for at once.
        wish: What was copied when it was last proven; see `wish_of`.
        source_commit: That was last proven to be at the target; empty if none was.
        target_commit: The target's head then.
        proven_at: Seconds since 1970.
        names: Tags and branches that are as they should be.
    """

    source: str
    target: str
    status: Status
    ended: float
    failures: int = 0
    next_try: float | None = None
    wish: str = ""
    source_commit: str = ""
    target_commit: str = ""
    proven_at: float | None = None
    names: tuple[NameCopied, ...] = ()

    def proves(self, job: Job) -> bool:
        """Return whether what was proven is what `job` wants: the same files, by the same rules."""
        return self.source_commit != "" and self.wish == wish_of(job.entry)


def wish_of(entry: Entry) -> str:
    """Return a digest of everything in an entry that says what the target is to hold."""
    said = (
        entry.include,
        entry.exclude,
        sorted(entry.allow),
        entry.card,
        entry.visibility,
        [entry.delete.wanted, entry.delete.most],
        None if entry.tags is None else [entry.tags.allow, entry.tags.deny],
        None if entry.branches is None else [entry.branches.allow, entry.branches.deny],
    )
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]
