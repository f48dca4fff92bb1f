"""What the core tells whoever listens: the command line draws it, the library's user may ignore it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hubferry.errors import Kind
    from hubferry.model import Plan, RepoRef, Revision
    from hubferry.results import Report

Direction = Literal["fetch", "send", "verify"]
"""Which way bytes move; "verify" reads them where they are."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A moving name became a commit."""

    side: Literal["source", "destination"]
    revision: Revision


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan is made; nothing has moved yet."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class FileStarted:
    """A file begins to move; `done` bytes of it were there already."""

    direction: Direction
    path: str
    size: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """`count` more bytes of a file moved; negative when bytes have to be moved again."""

    direction: Direction
    path: str
    count: int


@dataclass(frozen=True, slots=True)
class FileDone:
    """A file arrived whole and verified at its side."""

    direction: Direction
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """Something failed in passing and is tried again.

    Attributes:
        what: What is being done, with which file or repository, in a translated phrase.
        reason: Why, in a translated sentence.
        attempt: Failures in a row.
        seconds: How long it is waited for.
        kind: What kind of failure it was.
        until: The end of the wait, in seconds since 1970.
    """

    what: str
    reason: str
    attempt: int
    seconds: float
    kind: Kind
    until: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another run holds the model; this one waits. `holder` says who, in a translated sentence."""

    ref: RepoRef
    holder: str


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """What may be asked of a hub is used up for now, or scarce; this run waits, and goes on by itself.

    Attributes:
        hub: What it is called: its prefix, or its address.
        reason: How much there is, in translated words: "60 commits an hour".
        seconds: How long it is waited for.
        until: The end of the wait, in seconds since 1970.
    """

    hub: str
    reason: str
    seconds: float
    until: float


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit was made at the destination."""

    commit: str
    files: int
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know that is no failure; `message` is translated."""

    message: str


@dataclass(frozen=True, slots=True)
class Edited(Note):
    """The destination's hub has added lines of its own to a file, which counts as the same."""

    path: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a copy is that runs elsewhere, and tells no more of its bytes than sums.

    Attributes:
        fetched: Bytes that came.
        to_fetch: Bytes that are to come in all, as far as is known.
        sent: Bytes that went.
        to_send: Likewise.
    """

    fetched: int
    to_fetch: int
    sent: int
    to_send: int


@dataclass(frozen=True, slots=True)
class VolumesPlanned:
    """It is known which volumes of a bundle are written now; they are told as files that are sent.

    Attributes:
        sizes: Bytes of each, by the name of its file.
        of: How many volumes the bundle has.
    """

    sizes: Mapping[str, int]
    of: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over and proven."""

    report: Report


Event = (
    Resolved
    | Planned
    | FileStarted
    | Progress
    | FileDone
    | Retrying
    | Waiting
    | BudgetSpent
    | Standing
    | Committed
    | Note
    | VolumesPlanned
    | Finished
)
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""
