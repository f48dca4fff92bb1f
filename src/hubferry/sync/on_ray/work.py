"""What runs on a node: one job, its beginning, or a share of it. Tokens are those of the node itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hubferry import __version__, budget, transfer
from hubferry.budget.commits import StateKeeper
from hubferry.config import laid_over
from hubferry.errors import UsageError
from hubferry.events import ignore
from hubferry.i18n import _
from hubferry.running import run
from hubferry.sync import one
from hubferry.sync.on_ray.leased import LeasedKeeper
from hubferry.sync.on_ray.reporting import Reporter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hubferry.events import Listener
    from hubferry.model import Blob
    from hubferry.sync.on_ray.messages import Order
    from hubferry.sync.outcome import Outcome
    from hubferry.sync.spec import Job

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Task:
    """Which piece of work it is.

    Attributes:
        job: Of the mirror file.
        ticket: What the driver calls it.
        part: Which share of it; 0 for the whole.
    """

    job: Job
    ticket: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class ShareSent:
    """What came of a share; what it lacks is sent by the copy in the end."""

    fetched: int = 0
    sent: int = 0


def do(order: Order, task: Task, desk: Any) -> Outcome:
    """Bring a job's target up to date."""
    return _done(order, task, desk, lambda listen: one.mirror(task.job, order.manner, listen))


def begin(order: Order, task: Task, desk: Any, least: int) -> Outcome | tuple[Blob, ...]:
    """Do the same, unless it has `least` bytes to send; then prepare it, and return its blobs."""
    return _done(order, task, desk, lambda listen: one.begin(task.job, order.manner, listen, least))


def send_share(order: Order, task: Task, desk: Any, share: Sequence[Blob]) -> ShareSent:
    """Bring a share of a job's blobs into the target's storage."""

    async def send(listen: Listener) -> ShareSent:
        options = one.options_of(task.job, order.manner)
        moved = await transfer.send_share(task.job.source, task.job.target, options, share, listen)
        return ShareSent(moved.fetched, moved.sent)

    return _done(order, task, desk, send)


def _done(order: Order, task: Task, desk: Any, work: Callable[[Listener], Awaitable[Result]]) -> Result:
    """Do `work` on an event loop, with a beat a second beside it."""
    if order.version != __version__:
        message = _("a node of the cluster has hubferry {there}, and this is {here}")
        raise UsageError(message.format(there=__version__, here=order.version))

    async def beside(_listen: Listener) -> Result:
        keeper = LeasedKeeper(desk, order.at_once)
        reporter = Reporter(desk, task.ticket, task.part, keeper)
        budget.use(keeper)
        beating = asyncio.create_task(reporter.run())
        try:
            return await work(reporter.hear)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await reporter.close()
            budget.use(StateKeeper())

    with laid_over(order.hubs):
        return run(beside, ignore)
