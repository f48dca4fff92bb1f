"""Where jobs are done: in this process, several side by side. `--runner ray` has another one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from hubferry.sync import one
from hubferry.sync.events import Happened, Started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from hubferry.events import Listener
    from hubferry.sync.events import Hear
    from hubferry.sync.outcome import Outcome
    from hubferry.sync.spec import Job, Manner


class Runner(Protocol):
    """Do jobs, and yield what becomes of each as it ends.

    Closing the generator, or cancelling who iterates, ends the jobs in good order: nothing is written after.
    """

    def run(
        self, jobs: Sequence[Job], manner: Manner, hear: Hear, halt: asyncio.Event
    ) -> AsyncGenerator[Outcome, None]:
        """Do `jobs`; once `halt` is set no other one begins, and those that did are finished."""
        ...


class LocalRunner:
    """Do jobs in this event loop, so many at once."""

    def __init__(self, at_once: int) -> None:
        """Do `at_once` repositories side by side."""
        self._at_once = at_once

    async def run(
        self, jobs: Sequence[Job], manner: Manner, hear: Hear, halt: asyncio.Event
    ) -> AsyncGenerator[Outcome, None]:
        """Do `jobs`; see `Runner.run`."""
        waiting = iter(jobs)
        ended: asyncio.Queue[Outcome | None] = asyncio.Queue()

        async def work() -> None:
            try:
                for job in waiting:
                    if halt.is_set():
                        return
                    hear(Started(job))
                    ended.put_nowait(await one.mirror(job, manner, _passing(job, hear)))
            finally:
                ended.put_nowait(None)

        workers = [asyncio.create_task(work()) for _number in range(min(self._at_once, len(jobs)))]
        try:
            left = len(workers)
            while left:
                outcome = await ended.get()
                if outcome is None:
                    left -= 1
                else:
                    yield outcome
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


def _passing(job: Job, hear: Hear) -> Listener:
    return lambda event: hear(Happened(job, event))
