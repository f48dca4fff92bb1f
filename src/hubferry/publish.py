"""Make the commits, few and last, and prove by the destination's own listing that they hold."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hubferry import edited, planning
from hubferry.compare import verdict
from hubferry.errors import (
    BusyError,
    ConflictError,
    HubferryError,
    IntegrityError,
    NetworkError,
    PolicyError,
    TimedOutError,
    TooLargeError,
    TooManyError,
    naming,
)
from hubferry.events import Committed, Event, Listener, Note, ignore
from hubferry.i18n import _
from hubferry.model import Action, CommitAction
from hubferry.patience import Account, Policy, Trial
from hubferry.results import Verdict
from hubferry.retry import committing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from hubferry.hubs.ports import Destination
    from hubferry.model import Change, Digests, Limits, Plan, RepoFile, RepoRef, Step

_LOOKS = (0.0, 1.0, 3.0)
"""Seconds before each look at the destination: a listing may lag behind a commit."""
_TRIES = 4
"""Commits sent at most, where tries are counted, when answers get lost and nothing was applied."""
_CONFLICTS = 8
"""Times in a row that somebody else may be faster."""
_HALVINGS = 14
"""Times in a row that a commit may take too long or be held back: more than lead from 2,000 files to one."""
_ADVISED = 100
"""Files in a commit that Hugging Face advises at most (hub-docs, storage-limits.md): if so few
take too long once, that may be the hub's moment."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be committed, and where.

    Attributes:
        destination: The port.
        ref: The repository and branch.
        plan: The plan whose changes are committed.
        digests: What each file hashes to, by path.
        content: Read a small file that goes inside the commit.
        whole: Read a small file of the source, whatever the plan does with it.
    """

    destination: Destination
    ref: RepoRef
    plan: Plan
    digests: Mapping[str, Digests]
    content: Callable[[Step], bytes]
    whole: Callable[[RepoFile], Awaitable[bytes]]

    async def look(self, steps: Sequence[Step], listen: Listener = ignore) -> tuple[str, dict[str, RepoFile]]:
        """Return the head as it stands and its files by path; one that the hub added to counts as ours."""
        revision = await self.destination.resolve(self.ref)
        ours = {step.file.path: step.file for step in steps if step.action is not Action.DELETE}
        listed = await self.destination.files(revision)
        listed = await edited.settle(
            edited.Sides(self.destination, revision, ours, self.digests, self.whole), listed, listen
        )
        return revision.commit, {file.path: file for file in listed}

    def holds(self, step: Step, listed: RepoFile | None) -> bool:
        """Return whether a file of a listing is proven to be that of a step."""
        known = self.digests.get(step.file.path)
        return listed is not None and verdict(step.file, listed, known) is Verdict.SAME


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it.

    Attributes:
        commits: The commits' names in order.
        spared: Paths that were to be deleted and are not: somebody changed them after the plan was made.
    """

    commits: tuple[str, ...] = ()
    spared: frozenset[str] = frozenset()


async def publish(work: Publication, steps: Sequence[Step], message: str, listen: Listener) -> Published:
    """Commit `steps` in as few commits as the limits allow, fewer files at once where the hub takes less.

    Raises:
        ConflictError: Others were faster again and again.
        HubferryError: A refusal that smaller commits and pauses do not change; see `Destination.commit`.
    """
    return await _Publisher(work, message, listen).run(steps)


@dataclass
class _Publisher:
    """The commits in the making; what was committed is not in `parts` any more, and never sent again."""

    work: Publication
    message: str
    listen: Listener
    limits: Limits = field(init=False)
    parent: str | None = field(init=False)
    parts: list[list[Step]] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    spared: set[str] = field(default_factory=set)
    account: Account = field(default_factory=lambda: Account(Policy.from_environment()))
    trial: Trial = field(init=False)
    ready: tuple[Sequence[Step], asyncio.Task[list[CommitAction]]] | None = None

    def __post_init__(self) -> None:
        # An account of its own: a listing that is answered is no progress of a commit that is not.
        self.trial = Trial(self.account)
        self.limits = self.work.plan.limits
        self.parent = (self.work.plan.destination.commit or None) if self.limits.has_parents else None

    async def run(self, steps: Sequence[Step]) -> Published:
        self.parts = planning.batches(steps, self.limits)
        try:
            if self._deletes_blindly(steps):
                await self._look_again()
            while self.parts:
                await self._once()
        finally:
            await self._forget()
        return Published(tuple(self.commits), frozenset(self.spared))

    def _deletes_blindly(self, steps: Sequence[Step]) -> bool:
        """Return whether no parent would say that a file to delete was changed since the plan was made."""
        blind = not self.limits.has_parents and self.work.ref.hub != "dir"
        return blind and any(step.action is Action.DELETE for step in steps)

    async def _once(self) -> None:
        """Send the next commit, and change what is to be sent by what its refusal means."""
        part = self.parts[0]
        actions = await self._actions(part)
        await self.trial.begin()
        try:
            commit = await self.work.destination.commit(self.work.ref, actions, self._text(), self.parent)
        except (TooLargeError, TooManyError) as error:
            self._send_less(error)
        except PolicyError as error:
            await self._pause(error, _HALVINGS)
            if len(part) > 1:
                self._send_less(error)
        except BusyError:
            raise
        except ConflictError as error:
            await self._pause(error, _CONFLICTS)
            await self._look_again()
        except NetworkError as error:
            await self._after_lost_answer(error)
        else:
            self._made(commit)

    async def _after_lost_answer(self, error: NetworkError) -> None:
        """Look whether the commit was made although nobody said so; send less of what took too long."""
        part = self.parts[0]
        head = await self._look_again()
        if not (self.parts and self.parts[0][0] in part):
            self.commits.append(head)
            self.listen(Committed(head, len(part), len(self.commits), len(self.commits) + len(self.parts)))
            self.trial.progressed()
            return
        count = len(self.parts[0])
        slow = (
            isinstance(error, TimedOutError) and count > 1 and (count > _ADVISED or self.trial.failures > 0)
        )
        await self._pause(error, _HALVINGS if slow else self._tries)
        if slow:
            self._send_less(error)

    def _made(self, commit: str) -> None:
        part = self.parts.pop(0)
        self.commits.append(commit)
        self.trial.progressed()
        if self.limits.has_parents:
            self.parent = commit
        self.listen(Committed(commit, len(part), len(self.commits), len(self.commits) + len(self.parts)))

    async def _look_again(self) -> str:
        """Take the branch as it is now: what is there already falls away, what others changed is spared."""
        rest = [step for part in self.parts for step in part]
        head, listed = await self.work.look(rest)
        kept = [
            part for part in ([s for s in part if self._wanted(s, listed)] for part in self.parts) if part
        ]
        if kept != self.parts:
            self.parts = kept
        if self.limits.has_parents:
            self.parent = head or None
        return head

    def _wanted(self, step: Step, listed: Mapping[str, RepoFile]) -> bool:
        """Return whether a step is still to be done on what `listed` has."""
        there = listed.get(step.file.path)
        if step.action is not Action.DELETE:
            return not self.work.holds(step, there)
        if there is None:
            return False
        if there == step.file or verdict(step.file, there) is Verdict.SAME:
            return True
        self.spared.add(step.file.path)
        message = _("{path} was changed at the destination meanwhile, and is not deleted")
        self.listen(Note(message.format(path=step.file.path)))
        return False

    def _send_less(self, error: HubferryError) -> None:
        """Split what is left so that each commit is at most half of the one that was refused.

        Raises:
            HubferryError: It was of one file only.
        """
        part = self.parts[0]
        if len(part) < 2:  # noqa: PLR2004 - nothing to halve
            error.path = part[0].file.path
            error.hint = _("leave it out with --exclude '{path}'").format(path=error.path)
            raise error
        if isinstance(error, TooLargeError):
            while len(planning.batches(part, self.limits)) < 2:  # noqa: PLR2004 - until it is split
                self.limits = replace(self.limits, commit_bytes=self.limits.commit_bytes // 2)
        else:
            self.limits = replace(self.limits, actions_per_commit=(len(part) + 1) // 2)
        self.parts = planning.batches([step for one in self.parts for step in one], self.limits)

    @property
    def _tries(self) -> int | None:
        """How often a commit may get lost: as long as there is patience, unless tries are counted."""
        return None if self.account.policy.attempts is None else _TRIES

    async def _pause(self, error: NetworkError, most: int | None) -> None:
        """Wait longer each time in a row; two runs that meet must not go on meeting.

        Raises:
            NetworkError: It has been long or often enough.
        """
        doing = committing(self.work.ref, len(self.parts[0]) if self.parts else 0)
        with naming(doing):
            await self.trial.failed(error, doing, self.listen, most)

    def _text(self) -> str:
        """Return the commit's message, with a number where there are several."""
        number, count = len(self.commits) + 1, len(self.commits) + len(self.parts)
        return self.message if count == 1 else f"{self.message} ({number}/{count})"

    async def _actions(self, part: Sequence[Step]) -> list[CommitAction]:
        """Return what goes into a commit, and begin to read the next one while the hub is busy with it."""
        if self.ready is None or self.ready[0] is not part:
            await self._forget()
            self.ready = (part, _prepare(self.work, part))
        actions = await self.ready[1]
        self.ready = None
        if len(self.parts) > 1:
            self.ready = (self.parts[1], _prepare(self.work, self.parts[1]))
        return actions

    async def _forget(self) -> None:
        if self.ready is not None:
            task = self.ready[1]
            self.ready = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _prepare(work: Publication, steps: Sequence[Step]) -> asyncio.Task[list[CommitAction]]:
    """Begin to read what goes into a commit."""
    return asyncio.create_task(asyncio.to_thread(lambda: [_action(work, step) for step in steps]))


def _action(work: Publication, step: Step) -> CommitAction:
    path = step.file.path
    if step.action is Action.DELETE:
        return CommitAction("delete", path)
    change: Change = "update" if step.replaces else "create"
    digests = work.digests.get(path)
    sha256 = digests.sha256 if digests else step.sha256
    if step.blob:
        return CommitAction(change, path, step.file.size or 0, sha256)
    content = work.content(step)
    return CommitAction(change, path, len(content), sha256, content)


async def prove(
    work: Publication, expected: Sequence[Step], deleted: Sequence[Step], listen: Listener = ignore
) -> None:
    """Read the destination's listing and hold every file against it.

    Raises:
        IntegrityError: A file is missing there, or is another one, or a deleted one is still there.
    """
    wrong: list[str] = []
    for pause in _LOOKS:
        await asyncio.sleep(pause)
        told: list[Event] = []
        _head, listing = await work.look(expected, told.append)
        wrong = [step.file.path for step in expected if not work.holds(step, listing.get(step.file.path))]
        wrong += [step.file.path for step in deleted if step.file.path in listing]
        if not wrong:
            for event in told:
                listen(event)
            return
    raise IntegrityError(
        _("the destination does not show what was published: {paths}").format(paths=", ".join(wrong[:5])),
        side="destination",
        path=wrong[0],
        hint=shlex.join(["hubferry", "check", str(work.plan.source.ref), str(work.ref)]),
    )
