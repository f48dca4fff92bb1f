"""What a run of a mirror file tells whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.events import Event
    from hubferry.sync.outcome import Change, Outcome
    from hubferry.sync.spec import Job


@dataclass(frozen=True, slots=True)
class Expanded:
    """It is known which repositories there are to do."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """A repository begins."""

    job: Job


@dataclass(frozen=True, slots=True)
class Happened:
    """A copy told something; without a job it is about the file as a whole."""

    job: Job | None
    event: Event


@dataclass(frozen=True, slots=True)
class Ended:
    """A repository is done, or given up."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Looked:
    """It is known what would change in a repository."""

    change: Change


Told = Expanded | Started | Happened | Ended | Looked
Hear = Callable[[Told], None]


def unheard(_told: Told) -> None:
    """Listen to nothing."""
