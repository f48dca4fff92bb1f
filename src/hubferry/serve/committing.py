"""Making a commit that a client asked for, in either dialect, and what a strict hub remembers of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.serve.quota import blobs_of, require_room
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import DEFAULT_BRANCH, branch_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.serve.draft import Rule
    from hubferry.serve.hub import BeforeCommit, Hub
    from hubferry.serve.records import Change, CommitRecord
    from hubferry.serve.repository import Repository
    from hubferry.serve.strictness import Throttle


@dataclass(frozen=True, slots=True)
class Proposal:
    """A commit that a client asked for.

    Attributes:
        parent: The commit that the branch must be at, None for any.
        throttle: How many commits the repository takes, None for any number.
    """

    branch: str
    changes: Sequence[Change]
    title: str
    author: str
    description: str = ""
    parent: str | None = None
    rules: Sequence[Rule] = ()
    throttle: Throttle | None = None


def make_commit(hub: Hub, repository: Repository, wish: Proposal) -> CommitRecord:
    """Make a commit, or refuse it. Blocks; call it off the event loop."""
    if wish.throttle is not None:
        _count_commit(hub, repository, wish.throttle)
    number = next(hub.memory.commits)
    if hub.seams.before_commit is not None:
        hub.seams.before_commit(repository, number)
    require_room(hub, repository, blobs_of(wish.changes))
    record = repository.commit(
        wish.branch,
        wish.changes,
        title=wish.title,
        description=wish.description,
        author=wish.author,
        expected_parent=wish.parent,
        rules=wish.rules,
    )
    if hub.strict.lag and record.parent is not None and branch_name(wish.branch) == DEFAULT_BRANCH:
        key = (repository.record.kind, repository.record.repo_id)
        hub.memory.stale[key] = (record.parent, hub.strict.lag)
    return record


def _count_commit(hub: Hub, repository: Repository, throttle: Throttle) -> None:
    whose = f"{repository.record.kind} {repository.record.repo_id}"
    allowance = hub.memory.windows.count("commits", whose, throttle.commits, throttle.seconds)
    if not allowance.exceeded:
        return
    if throttle.answer in ("policy", "forbidden"):
        raise Refusal(Reason.POLICY, status=403 if throttle.answer == "forbidden" else None)
    raise Refusal(
        Reason.COMMIT_RATE,
        about=str(throttle.commits),
        wait=allowance.wait if throttle.answer == "wait" else None,
    )


def shown_commit(hub: Hub, repository: Repository, revision: str | None) -> str:
    """Return the commit that a listing shows: a branch's head, or for a while the one before it."""
    commit = repository.resolve(revision)
    key = (repository.record.kind, repository.record.repo_id)
    before, times = hub.memory.stale.get(key, ("", 0))
    if times and branch_name(revision or DEFAULT_BRANCH) == DEFAULT_BRANCH:
        hub.memory.stale[key] = (before, times - 1)
        return before
    return commit


def refusing(answers: Iterable[Reason | Refusal | None]) -> BeforeCommit:
    """Return what refuses the first commit with the first answer, and so on; None lets one pass.

    It stands as `Seams.before_commit`; when the answers are at an end, everything passes.
    """
    remaining = iter(answers)

    def refuse_next(_repository: Repository, _number: int) -> None:
        answer = next(remaining, None)
        if isinstance(answer, Reason):
            raise Refusal(answer)
        if answer is not None:
            raise answer

    return refuse_next
