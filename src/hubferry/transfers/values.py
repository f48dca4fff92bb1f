"""What is said of a transfer, as values. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["looking", "moving", "waiting", "done", "failed", "stopped", "broken-off"]
"""Asking both sides and planning; bytes move; another run is waited for; proven; an error ended it; a person
or a signal did; gone without an end, as after `kill -9` or a power cut."""
RUNNING: frozenset[State] = frozenset({"looking", "moving", "waiting"})


@dataclass(frozen=True, slots=True)
class Flow:
    """Bytes that move one way.

    Attributes:
        done: Bytes moved.
        total: Bytes to move in all, as far as is known.
        rate: Bytes a second, lately.
    """

    done: int = 0
    total: int = 0
    rate: int = 0


@dataclass(frozen=True, slots=True)
class InFlight:
    """A file that moves now, or in a run of a mirror file a repository."""

    direction: str
    path: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One process that moves models, as it said of itself last.

    Attributes:
        id: Tells it from every other.
        program: What runs: `hubferry copy`, or the name of a script.
        process: The process, in words that no later one has; see `soft_lock.this_process`.
        pid: Its number.
        started: Seconds since 1970.
        written: When this was said, likewise.
        state: What it is doing, or how it ended.
        source: The repository that is copied, or the mirror file; None while that is not known yet.
        destination: Where to; None of a fetch.
        files_done: Files that are where they are meant to be.
        files: Files to move.
        fetch: From the source.
        send: To the destination.
        seconds_left: None while something stands still, or nothing is known.
        waiting: Why it waits, in a sentence.
        in_flight: What moves now, the largest first.
        of_repositories: Whether what is counted, and in flight, are repositories rather than files.
        ended: Seconds since 1970; None while it runs.
        error: Why it ended before its end, in a sentence.
    """

    id: str
    program: str
    process: str
    pid: int
    started: float
    written: float
    state: State = "looking"
    source: str | None = None
    destination: str | None = None
    files_done: int = 0
    files: int = 0
    fetch: Flow = Flow()
    send: Flow = Flow()
    seconds_left: float | None = None
    waiting: str | None = None
    in_flight: tuple[InFlight, ...] = ()
    of_repositories: bool = False
    ended: float | None = None
    error: str | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.state in RUNNING
