"""What goes between a worker and the desk; the values are plain, and hold no secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.config.settings import HubSettings
    from hubferry.events import Event
    from hubferry.sync.spec import Manner


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a worker needs of a hub: some of the `most` connections that all may have together.

    Attributes:
        most: Of all workers.
        may: What it was given last, 0 for nothing yet.
        open: What it has; more than `may` where it was given less meanwhile.
    """

    most: int
    may: int = 0
    open: int = 0

    @property
    def has(self) -> int:
        """What counts as its own."""
        return max(self.may, self.open)


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life.

    Attributes:
        worker: Of one attempt of one task; no other has the name.
        ticket: What the driver calls the job.
        part: Which share of it; 0 for the job as a whole.
        events: What happened since the last one, sums instead of single files.
        wanted: Connections by hub; empty when the worker is through.
    """

    worker: str
    ticket: int
    part: int = 0
    events: tuple[Event, ...] = ()
    wanted: Mapping[str, Wanted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """How work is to be done, the same for all of a run.

    Attributes:
        version: Of hubferry where the run was begun.
        manner: How each copy is made.
        hubs: What the mirror file says of hubs, without tokens in clear.
        at_once: Tasks that may run at one time, for what is to be shared while nobody answers.
    """

    version: str
    manner: Manner
    hubs: Mapping[str, HubSettings] = field(default_factory=dict)
    at_once: int = 1
