"""Listings, what the cache holds and what the destination stores, made into a Plan. No I/O."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hubferry.compare import compare
from hubferry.errors import UsageError
from hubferry.findings import refused, warning
from hubferry.i18n import _, ngettext
from hubferry.model import Action, Plan, Step
from hubferry.results import Verdict
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hubferry.findings import Finding
    from hubferry.model import Digests, Limits, RepoFile, Revision
    from hubferry.results import Comparison

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
    """What a person decided.

    Attributes:
        delete: Delete what only the destination has, among what was selected.
        max_delete: Most deletions, `20` or `10%` of the destination's files; None for no cap.
        fill: Fill the cache with everything.
        include: Which paths were selected; see `select`.
        exclude: Likewise.
    """

    delete: bool = False
    max_delete: str | None = None
    fill: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


def select(files: Iterable[RepoFile], include: Sequence[str], exclude: Sequence[str]) -> list[RepoFile]:
    """Keep the files that match `include` (empty: all) and not `exclude`.

    Patterns are globs on the whole path, as the official clients have them: `*` crosses `/`, and a pattern
    that ends in `/` means everything below.
    """
    return [
        file
        for file in files
        if (not include or _matches(file.path, include)) and not _matches(file.path, exclude)
    ]


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns)


def concerned(
    found: Iterable[Finding], include: Sequence[str], exclude: Sequence[str]
) -> tuple[Finding, ...]:
    """Keep the findings about what was selected; below a folder there may be anything that is."""

    def is_meant(path: str) -> bool:
        return (not include or path.endswith("/") or _matches(path, include)) and not _matches(path, exclude)

    return tuple(one for one in found if one.path is None or is_meant(one.path))


def make(source: Side, destination: Side, known: Knowledge, limits: Limits, policy: Policy) -> Plan:
    """Decide for every file what has to be done; what would be refused is a finding of the plan."""
    found = source.revision.findings
    theirs = comparable(source, destination.files, policy.include, policy.exclude)
    steps: list[Step] = []
    only_there: list[RepoFile] = []
    moving: set[str] = set()
    for comparison in compare(source.files, theirs, known.held):
        if comparison.source is None:
            if comparison.destination is not None:
                only_there.append(comparison.destination)
            continue
        step = _step(comparison, comparison.source, known, limits, policy)
        sha256 = step.sha256 if step.action in (Action.SEND, Action.FETCH_SEND) else None
        if sha256 in moving:
            step = replace(step, action=Action.REUSE)
        elif sha256:
            moving.add(sha256)
        steps.append(step)
    if policy.delete:
        steps = sorted([*steps, *(Step(Action.DELETE, file) for file in only_there)], key=_path)
        found = (*found, *_too_many_deletions(only_there, destination.files, policy.max_delete))
    found = (*found, *_beyond(steps, destination.files, limits))
    return Plan(
        source.revision,
        destination.revision,
        tuple(steps),
        limits,
        found,
        () if policy.delete else tuple(only_there),
    )


def _path(step: Step) -> str:
    return step.file.path


def comparable(
    source: Side, files: Iterable[RepoFile], include: Sequence[str], exclude: Sequence[str]
) -> list[RepoFile]:
    """Keep the files of a destination that a copy is about: selected, and not left out by the source.

    An entry of the source that could not be taken may be the very file that the destination has.
    """
    selected = select(files, include, exclude)
    taken = {file.path for file in source.files}
    found = {one.path for one in source.revision.findings if one.path is not None and one.hides} - taken
    folders = tuple(path for path in found if path.endswith("/"))
    exact = {path.rstrip("/") for path in found}
    return [file for file in selected if file.path not in exact and not file.path.startswith(folders)]


def _too_many_deletions(
    doomed: Sequence[RepoFile], there: Sequence[RepoFile], cap: str | None
) -> Iterator[Finding]:
    """Refuse to delete more than a person said."""
    if cap is None or not doomed:
        return
    if len(doomed) > _most(cap, len(there)):
        message = ngettext(
            "{count} file of {all} would be deleted at the destination; --max-delete allows {cap}",
            "{count} files of {all} would be deleted at the destination; --max-delete allows {cap}",
            len(doomed),
        )
        error = UsageError(
            message.format(count=len(doomed), all=len(there), cap=cap),
            side="destination",
            hint=_("--dry-run lists them; a higher --max-delete allows them"),
        )
        yield refused("max-delete", error)


def _most(cap: str, count: int) -> float:
    """Return how many of `count` files a cap is.

    Raises:
        UsageError: It is neither a number nor a share.
    """
    with suppress(ValueError):
        most = float(cap.removesuffix("%")) * count / 100 if cap.endswith("%") else int(cap)
        if 0 <= most < math.inf:  # what is no number would be a cap that nothing exceeds
            return most
    message = _("{value!r} is neither a number such as 20 nor a share such as 10%")
    raise UsageError(message.format(value=cap))


def _beyond(steps: Sequence[Step], there: Sequence[RepoFile], limits: Limits) -> Iterator[Finding]:
    """Hold what is going to change against the destination's limits; what is there already needs no leave."""
    changing = [step for step in steps if step.action not in (Action.SAME, Action.DELETE)]
    for step in changing:
        yield from _too_large(step.file, limits)
    gone = {step.file.path for step in steps if step.action is Action.DELETE}
    new = [step.file.path for step in changing if not step.replaces]
    if not new:
        return
    paths = [*(file.path for file in there if file.path not in gone), *new]
    if limits.advised_files is not None and len(paths) > limits.advised_files:
        message = _("{count} files: the destination advises {limit} in one repository at most")
        yield warning("many-files", message.format(count=len(paths), limit=limits.advised_files))
    yield from _crowded(paths, limits)


def _too_large(file: RepoFile, limits: Limits) -> Iterator[Finding]:
    size = file.size or 0
    words = {"path": file.path, "size": readable_size(size)}
    if limits.file_size is not None and size > limits.file_size:
        message = _("{path} has {size}; the destination takes {limit} a file")
        error = UsageError(
            message.format(limit=readable_size(limits.file_size), **words),
            side="destination",
            path=file.path,
            hint=_("leave it out with --exclude '{path}'").format(path=file.path),
        )
        yield refused("too-large", error)
    elif limits.advised_file_size is not None and size > limits.advised_file_size:
        message = _("{path} has {size}; the destination advises {limit} a file, and may refuse it")
        message = message.format(limit=readable_size(limits.advised_file_size), **words)
        yield warning("large-file", message, file.path)


def _crowded(paths: Iterable[str], limits: Limits) -> Iterator[Finding]:
    """Find folders with more entries than the destination lists, or advises."""
    entries: dict[str, set[str]] = {}
    for path in paths:
        entry = path
        while entry:
            folder, _slash, name = entry.rpartition("/")
            names = entries.setdefault(folder, set())
            if name in names:
                break
            names.add(name)
            entry = folder
    for folder, names in sorted(entries.items()):
        yield from _too_full(folder, len(names), limits)


def _too_full(folder: str, count: int, limits: Limits) -> Iterator[Finding]:
    words = {"folder": folder or "/", "count": count}
    unlistable = limits.listable_folder is not None and count > limits.listable_folder
    if unlistable or (limits.folder_entries is not None and count > limits.folder_entries):
        message = _("the folder {folder} would hold {count} entries; the destination takes {limit} a folder")
        if unlistable:
            message = _(
                "the folder {folder} would hold {count} entries; the destination lists {limit}, "
                "so that nothing could prove the copy"
            )
        limit = limits.listable_folder if unlistable else limits.folder_entries
        hint = _("spread its files over subfolders at the source, or choose a part with --include")
        error = UsageError(message.format(limit=limit, **words), side="destination", hint=hint)
        yield refused("unlistable-folder" if unlistable else "full-folder", error)
    elif limits.advised_folder is not None and count > limits.advised_folder:
        message = _("the folder {folder} would hold {count} entries; the destination advises {limit}")
        yield warning("crowded-folder", message.format(limit=limits.advised_folder, **words))


def _step(comparison: Comparison, file: RepoFile, known: Knowledge, limits: Limits, policy: Policy) -> Step:
    there = comparison.destination
    held = known.held.get(file.path)
    digest = held.sha256 if held else file.sha256
    cached = held is not None
    size = file.size or 0
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
