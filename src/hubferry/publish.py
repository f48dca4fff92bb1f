"""Make the commits, few and last, and prove by the destination's own listing that they hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry import plan as planning
from hubferry.compare import verdict
from hubferry.errors import BusyError, IntegrityError, NetworkError
from hubferry.events import Committed, Listener
from hubferry.i18n import _
from hubferry.model import Action, CommitAction, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hubferry.hubs.ports import Destination
    from hubferry.model import Change, Digests, Plan, RepoFile, RepoRef, Step

_LOOKS = (0.0, 1.0, 3.0)
"""Seconds before each look at the destination: a listing may lag behind a commit."""
_TRIES = 4
"""Commits sent at most when answers get lost and the listing shows that nothing was applied."""
_PAUSE = 0.5
"""Seconds before a commit is sent again, doubled each time."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be committed, and where.

    Attributes:
        destination: The port.
        ref: The repository and branch.
        plan: The plan whose changes are committed.
        digests: What each file hashes to, by path.
        content: Read a small file that goes inside the commit.
    """

    destination: Destination
    ref: RepoRef
    plan: Plan
    digests: Mapping[str, Digests]
    content: Callable[[Step], bytes]


async def publish(
    work: Publication, steps: Sequence[Step], message: str, listen: Listener
) -> tuple[str, ...]:
    """Commit `steps` in as few commits as the limits allow; return the commits' names in order."""
    parts = planning.batches(steps, work.plan.limits)
    commits: list[str] = []
    prepared = [_prepare(work, part) for part in parts[:1]]
    try:
        for number, part in enumerate(parts, 1):
            actions = await prepared.pop(0)
            prepared += [_prepare(work, later) for later in parts[number : number + 1]]
            text = message if len(parts) == 1 else f"{message} ({number}/{len(parts)})"
            commit = await _commit(work, part, actions, text)
            commits.append(commit)
            listen(Committed(commit, len(part), number, len(parts)))
    finally:
        for task in prepared:
            task.cancel()
        await asyncio.gather(*prepared, return_exceptions=True)
    return tuple(commits)


def _prepare(work: Publication, steps: Sequence[Step]) -> asyncio.Task[list[CommitAction]]:
    """Begin to read what goes into a commit: the next one while the hub is busy with the one before."""
    return asyncio.create_task(asyncio.to_thread(lambda: [_action(work, step) for step in steps]))


async def _commit(
    work: Publication, steps: Sequence[Step], actions: Sequence[CommitAction], message: str
) -> str:
    for number in range(1, _TRIES + 1):
        try:
            return await work.destination.commit(work.ref, actions, message)
        except BusyError:
            raise
        except NetworkError:
            revision = await work.destination.resolve(work.ref)
            listing = {file.path: file for file in await work.destination.files(revision)}
            if all(_applied(work, step, listing.get(step.file.path)) for step in steps):
                return revision.commit
            if number == _TRIES:
                raise
            await asyncio.sleep(_PAUSE * 2.0 ** (number - 1))
    raise AssertionError  # the loop returns or raises


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


def _applied(work: Publication, step: Step, listed: RepoFile | None) -> bool:
    return listed is None if step.action is Action.DELETE else _holds(work, step, listed)


async def prove(work: Publication, expected: Sequence[Step], deleted: Sequence[Step]) -> None:
    """Read the destination's listing and hold every file against it.

    Raises:
        IntegrityError: A file is missing there, or is another one, or a deleted one is still there.
    """
    wrong: list[str] = []
    for pause in _LOOKS:
        await asyncio.sleep(pause)
        revision = await work.destination.resolve(work.ref)
        listing = {file.path: file for file in await work.destination.files(revision)}
        wrong = [step.file.path for step in expected if not _holds(work, step, listing.get(step.file.path))]
        wrong += [step.file.path for step in deleted if step.file.path in listing]
        if not wrong:
            return
    raise IntegrityError(
        _("the destination does not show what was published: {paths}").format(paths=", ".join(wrong[:5])),
        side="destination",
        path=wrong[0],
        hint=f"hubferry check {work.plan.source.ref} {work.ref}",
    )


def _holds(work: Publication, step: Step, listed: RepoFile | None) -> bool:
    return listed is not None and verdict(step.file, listed, work.digests.get(step.file.path)) is Verdict.SAME
