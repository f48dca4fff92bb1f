"""Do jobs on the nodes of the cluster that was joined: a job a task, large ones cut."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hubferry import __version__
from hubferry.errors import HubferryError, NetworkError, UsageError
from hubferry.events import Note, Standing
from hubferry.i18n import _
from hubferry.options import Access
from hubferry.sync.events import Happened, Started
from hubferry.sync.on_ray import work
from hubferry.sync.on_ray.actor import DeskActor
from hubferry.sync.on_ray.messages import Order
from hubferry.sync.on_ray.shares import cut
from hubferry.sync.on_ray.waiting import within
from hubferry.sync.outcome import Outcome
from hubferry.tasks import run_all
from hubferry.typed import reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hubferry.config.settings import HubSettings
    from hubferry.model import Blob
    from hubferry.sync.events import Hear
    from hubferry.sync.on_ray.work import Task
    from hubferry.sync.runner import Take
    from hubferry.sync.spec import Job, Manner

_SECONDS = 1.0
_ANSWER_SECONDS = 5.0
_RETRIES = 5
"""Nodes on which a task may die before the job fails in this run."""
_END_SECONDS = 20.0
"""For a task to end in good order after it was cancelled; then its process is ended."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task needs of a node, as Ray counts it.

    Attributes:
        cpus: Cores.
        memory: Bytes, for placing; nothing is held to it.
    """

    cpus: float = 1.0
    memory: int = 300 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster.

    Attributes:
        name: Ray's for it, another one each time it joins.
        place: Where it is, which lasts.
    """

    name: str
    place: str


class RayRunner:
    """Do jobs in the cluster; see `sync.runner.Runner`."""

    def __init__(
        self,
        at_once: int,
        *,
        hubs: Mapping[str, HubSettings] | None = None,
        split: int | None = None,
        resources: Resources = Resources(),
    ) -> None:
        """Prepare.

        Args:
            at_once: Repositories side by side.
            hubs: What the mirror file says of hubs; a token in clear stays here.
            split: Bytes to send from which on a repository is cut over the nodes; None never does.
            resources: Of each task.
        """
        self._at_once = at_once
        self._hubs = {name: _without_secret(hub) for name, hub in (hubs or {}).items()}
        self._split = split
        self._resources = resources

    async def run(
        self, jobs: Sequence[Job], manner: Manner, hear: Hear, take: Take, halt: asyncio.Event
    ) -> None:
        """Do `jobs`; see `Runner.run`."""
        nodes = _nodes(self._resources.cpus)
        at_once = min(self._at_once, len(jobs)) * (len(nodes) if self._split is not None else 1)
        order = Order(__version__, manner, self._hubs, max(1, at_once))
        run = _Run(order, hear, nodes, self._split, self._resources)
        try:
            waiting = iter(enumerate(jobs))

            async def one_after_another() -> None:
                for ticket, job in waiting:
                    if halt.is_set():
                        return
                    hear(Started(job))
                    take(await run.do(ticket, job))

            listening = asyncio.create_task(run.listen())
            try:
                await run_all(*(one_after_another() for _number in range(min(self._at_once, len(jobs)))))
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            await run.close()


class _Run:
    """One run's tasks, and its desk."""

    def __init__(
        self, order: Order, hear: Hear, nodes: Sequence[Node], split: int | None, resources: Resources
    ) -> None:
        self._order = order
        self._hear = hear
        self._nodes = nodes
        self._split = split
        self._resources = resources
        self._here = ray.get_runtime_context().get_node_id()
        self._desk = (
            ray.remote(DeskActor)
            .options(num_cpus=0, max_restarts=-1, max_task_retries=2, scheduling_strategy=_on(self._here))
            .remote()
        )
        self._jobs: dict[int, Job] = {}
        self._standing: dict[int, dict[int, Standing]] = {}
        self._running: set[ray.ObjectRef] = set()

    async def do(self, ticket: int, job: Job) -> Outcome:
        """Do one job; whatever becomes of it is an outcome."""
        started, clock = time.time(), time.monotonic()
        self._jobs[ticket] = job
        try:
            outcome = await self._outcome(work.Task(job, ticket))
        except (HubferryError, RayError) as error:
            return Outcome(job, "failed", started, time.monotonic() - clock, error=_as_ours(error))
        else:
            return replace(outcome, started=started, seconds=time.monotonic() - clock)
        finally:
            await self._collect()
            del self._jobs[ticket]
            self._standing.pop(ticket, None)

    async def _outcome(self, task: Task) -> Outcome:
        at_home = _has_folder(task.job)
        where = _on(self._here) if at_home else self._usual(task.job)
        if self._split is None or at_home:
            return await self._ask(work.do, where, task)  # type: ignore[no-any-return]
        begun = await self._ask(work.begin, where, task, self._split)
        if isinstance(begun, Outcome):
            return begun
        sent = await self._send(task, begun)
        outcome: Outcome = await self._ask(work.do, where, task)
        return replace(
            outcome,
            fetched=outcome.fetched + sum(one.fetched for one in sent),
            sent=outcome.sent + sum(one.sent for one in sent),
        )

    def _usual(self, job: Job) -> Any:
        """Return the node that a job goes to each time: what its cache knows need not be read again.

        While that one has no room, any other one does.
        """
        if not self._nodes:
            return "SPREAD"
        words = f"{job.source} {job.target}"
        node = max(self._nodes, key=lambda one: hashlib.sha256(f"{one.place} {words}".encode()).digest())
        return NodeAffinitySchedulingStrategy(node.name, soft=True, _spill_on_unavailable=True)

    async def _send(self, task: Task, blobs: Sequence[Blob]) -> list[work.ShareSent]:
        """Let each node send a share; what a share could not send is left to the copy."""
        shares = cut(blobs, max(1, len(self._nodes)))
        done = await asyncio.gather(
            *(
                self._ask(work.send_share, _on(node.name), replace(task, part=number), share)
                for number, (node, share) in enumerate(zip(self._nodes, shares, strict=False), 1)
            ),
            return_exceptions=True,
        )
        for one in done:
            if isinstance(one, asyncio.CancelledError):
                raise one
            if isinstance(one, BaseException):
                message = _("a share was not sent: {reason}")
                note = Note(message.format(reason=_as_ours(one).sentence))
                self._hear(Happened(task.job, note))
        return [one for one in done if isinstance(one, work.ShareSent)]

    async def _ask(self, function: Callable[..., Any], where: Any, task: Task, *words: Any) -> Any:
        """Run a function on some node, on another one where that dies; return what it returns.

        Raises:
            HubferryError: What it raised.
            RayError: It could not be run.
        """
        remote = ray.remote(function).options(
            num_cpus=self._resources.cpus,
            memory=self._resources.memory,
            max_retries=_RETRIES,
            scheduling_strategy=where,
            name=f"hubferry {function.__name__}",
        )
        awaited = remote.remote(self._order, task, self._desk, *words)
        self._running.add(awaited)
        try:
            result = await awaited
        except RayTaskError as error:
            self._running.discard(awaited)
            if isinstance(error.cause, HubferryError):
                raise error.cause from None
            raise
        except RayError:
            self._running.discard(awaited)
            raise
        else:
            self._running.discard(awaited)
            return result

    async def listen(self) -> None:
        """Pass on what workers tell, each second, until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS)
            await self._collect()

    async def _collect(self) -> None:
        try:
            told = await within(_ANSWER_SECONDS, self._desk.collect.remote())
        except (RayError, TimeoutError):
            return  # it is being started again
        for ticket, part, event in told:
            job = self._jobs.get(ticket)
            if job is None:
                continue
            if isinstance(event, Standing):
                parts = self._standing.setdefault(ticket, {})
                parts[part] = event
                event = _sum(parts.values())  # noqa: PLW2901 - one number a repository
            self._hear(Happened(job, event))

    async def close(self) -> None:
        """End what still runs, in good order where it can, and the desk."""
        for awaited in self._running:
            ray.cancel(awaited, force=False)
        left = list(self._running)
        if left:
            _done, left = await asyncio.to_thread(
                ray.wait, left, num_returns=len(left), timeout=_END_SECONDS, fetch_local=False
            )
        for awaited in left:
            with suppress(RayError, ValueError):
                ray.cancel(awaited, force=True)
        ray.kill(self._desk)


def _nodes(cpus: float) -> list[Node]:
    """Return the nodes that can take a task."""
    return [
        Node(node["NodeID"], node["NodeManagerAddress"])
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= cpus
    ]


def _on(node: str) -> NodeAffinitySchedulingStrategy:
    """Return how to ask for a node; where it has gone, any other one does."""
    return NodeAffinitySchedulingStrategy(node, soft=True)


def _has_folder(job: Job) -> bool:
    """Return whether a side is a folder, which is on this machine."""
    try:
        sides = [reference(name, Access(), "hf", new=True) for name in (job.source, job.target)]
    except UsageError:
        return False  # whoever copies says so
    return any(side.hub == "dir" for side in sides)


def _without_secret(hub: HubSettings) -> HubSettings:
    """Leave a token in clear here; the node finds one in its own configuration file, or there is none."""
    if hub.token is None or hub.token.kind != "clear":
        return hub
    return replace(hub, token=None, said=hub.said - {"token"})


def _sum(parts: Any) -> Standing:
    values = list(parts)
    return Standing(
        *(sum(getattr(one, name) for one in values) for name in ("fetched", "to_fetch", "sent", "to_send"))
    )


def _as_ours(error: BaseException) -> HubferryError:
    if isinstance(error, HubferryError):
        return error
    # What a task raised may quote anything: its kind alone is told.
    message = _("Ray could not finish it: {reason}").format(reason=type(error).__name__)
    return NetworkError(message, hint=_("run it again: it goes on where it stopped"))
