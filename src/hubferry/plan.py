"""Listings, what the cache holds and what the destination stores, made into a Plan. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hubferry.compare import compare
from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.model import Action, Plan, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hubferry.model import Comparison, Digests, Limits, RepoFile, Revision

_COMMIT_ENVELOPE_BYTES = 512
_ACTION_BYTES = 320
"""An action's JSON apart from its path and content: keys, sizes and one sha256, generously counted."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a plan: a pinned revision and its files."""

    revision: Revision
    files: Sequence[RepoFile]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known apart from the two listings.

    Attributes:
        held: Digests of files that are whole and verified in the cache, by path.
        stored: The sha256 of blobs whose bytes the destination's storage has.
    """

    held: Mapping[str, Digests]
    stored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """What a person decided: delete what only the destination has; fill the cache with everything."""

    delete: bool = False
    fill: bool = False


def select(files: Iterable[RepoFile], include: Sequence[str], exclude: Sequence[str]) -> list[RepoFile]:
    """Keep the files that match `include` (empty: all) and not `exclude`.

    Patterns are globs on the whole path, as the official clients have them: `*` crosses `/`, and a pattern
    that ends in `/` means everything below.
    """

    def matches(path: str, patterns: Sequence[str]) -> bool:
        return any(
            fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns
        )

    return [
        file
        for file in files
        if (not include or matches(file.path, include)) and not matches(file.path, exclude)
    ]


def make(source: Side, destination: Side, known: Knowledge, limits: Limits, policy: Policy) -> Plan:
    """Decide for every file what has to be done.

    Raises:
        UsageError: A file, or their number, is beyond what the destination takes.
    """
    if limits.files is not None and len(source.files) > limits.files:
        message = _("{count} files are more than the destination takes in one repository ({limit})")
        raise UsageError(
            message.format(count=len(source.files), limit=limits.files),
            side="destination",
            hint=_("choose a part of them with --include and --exclude"),
        )
    steps: list[Step] = []
    moving: set[str] = set()
    for comparison in compare(source.files, destination.files, known.held):
        step = _step(comparison, known, limits, policy)
        if step is None:
            continue
        sha256 = step.sha256 if step.action in (Action.SEND, Action.FETCH_SEND) else None
        if sha256 in moving:
            step = replace(step, action=Action.REUSE)
        elif sha256:
            moving.add(sha256)
        steps.append(step)
    return Plan(source.revision, destination.revision, tuple(steps), limits)


def _step(comparison: Comparison, known: Knowledge, limits: Limits, policy: Policy) -> Step | None:
    file, there = comparison.source, comparison.destination
    if file is None:
        return Step(Action.DELETE, there) if policy.delete and there else None
    held = known.held.get(file.path)
    digest = held.sha256 if held else file.sha256
    cached = held is not None
    size = file.size or 0
    if limits.file_size is not None and size > limits.file_size:
        message = _("{path} has {size} bytes; the destination takes {limit} a file")
        raise UsageError(
            message.format(path=file.path, size=size, limit=limits.file_size),
            side="destination",
            path=file.path,
            hint=_("leave it out with --exclude '{path}'").format(path=file.path),
        )
    blob = limits.is_blob(file.path, size)
    if comparison.verdict is Verdict.SAME:
        action = Action.SAME
    elif not blob:
        action = Action.INLINE
    elif digest in known.stored:
        action = Action.REUSE
    else:
        action = Action.SEND if cached else Action.FETCH_SEND
    return Step(action, file, blob, cached, there is not None, policy.fill, digest)


def batches(steps: Iterable[Step], limits: Limits) -> list[list[Step]]:
    """Split the steps of a commit so that each part keeps to the limits; an oversized file goes alone."""
    parts: list[list[Step]] = [[]]
    weight = _COMMIT_ENVELOPE_BYTES
    for step in steps:
        content = 0 if step.blob or step.action is Action.DELETE else step.file.size or 0
        cost = _ACTION_BYTES + 6 * len(step.file.path) + (content + 2) // 3 * 4
        full = len(parts[-1]) >= limits.actions_per_commit or weight + cost > limits.commit_bytes
        if parts[-1] and full:
            parts.append([])
            weight = _COMMIT_ENVELOPE_BYTES
        parts[-1].append(step)
        weight += cost
    return [part for part in parts if part]
