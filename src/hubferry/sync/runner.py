"""Where jobs are done: in this process, several side by side. `--runner ray` has another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hubferry.sync import one
from hubferry.sync.events import Happened, Started
from hubferry.tasks import run_all

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from hubferry.events import Listener
    from hubferry.sync.events import Hear
    from hubferry.sync.outcome import Outcome
    from hubferry.sync.spec import Job, Manner

Take = Callable[["Outcome"], None]
"""Called on the event loop with what became of each job, as it ends."""


class Runner(Protocol):
    """Do jobs. Being cancelled ends them in good order: nothing is written after."""

    async def run(
        self, jobs: Sequence[Job], manner: Manner, hear: Hear, take: Take, halt: asyncio.Event
    ) -> None:
        """Do `jobs`; once `halt` is set no other one begins, and those that did are finished."""
        ...


class LocalRunner:
    """Do jobs in this event loop, so many at once."""

    def __init__(self, at_once: int) -> None:
        """Do `at_once` repositories side by side."""
        self._at_once = at_once

    async def run(
        self, jobs: Sequence[Job], manner: Manner, hear: Hear, take: Take, halt: asyncio.Event
    ) -> None:
        """Do `jobs`; see `Runner.run`."""
        waiting = iter(jobs)

        async def work() -> None:
            for job in waiting:
                if halt.is_set():
                    return
                hear(Started(job))
                take(await one.mirror(job, manner, _passing(job, hear)))

        await run_all(*(work() for _number in range(min(self._at_once, len(jobs)))))


def _passing(job: Job, hear: Hear) -> Listener:
    return lambda event: hear(Happened(job, event))
