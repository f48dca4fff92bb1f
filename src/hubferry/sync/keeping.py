"""Keep what became of each repository while a run goes on: in order, off the event loop, none lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from hubferry.sync.outcome import Outcome


class Keeper:
    """Hand outcomes to somebody who is slow, as a disk is; leaving the block waits for the last."""

    def __init__(self, keep: Callable[[Outcome], None]) -> None:
        """Call `keep` with each outcome, one after another, in a thread."""
        self._keep = keep
        self._waiting: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._work: asyncio.Task[None] | None = None

    def take(self, outcome: Outcome) -> None:
        """Keep one, soon."""
        self._waiting.put_nowait(outcome)

    async def __aenter__(self) -> Self:
        """Begin."""
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything is kept, also when the run is broken off."""
        assert self._work is not None  # noqa: S101 - entered before
        self._waiting.put_nowait(None)
        try:
            await asyncio.shield(self._work)
        except asyncio.CancelledError:
            await self._work
            raise

    async def _run(self) -> None:
        while (outcome := await self._waiting.get()) is not None:
            await asyncio.to_thread(self._keep, outcome)
