"""Is this model whole? Answered without a network, for any directory, by names, sizes and headers alone.

Two depths: what our manifest verified and stat says is untouched needs no look; everything else is held
against what the model's own files say. Content is read by `hubferry.cache.verify`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.cache import inventory, manifest
from hubferry.cache.disk import disk, disk_errors, leads_to_directory
from hubferry.cache.names import RECORDS
from hubferry.cache.problem import Kind, Problem, bounded
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hubferry.cache.inventory import Inventory
    from hubferry.cache.manifest import Manifest
    from hubferry.cache.structure import Structure
    from hubferry.model import RepoRef

_LARGEST_NOTE = 4096
"""Bytes of a hub's own note of a branch's commit."""

_OF_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave where nobody asked them to."""

__all__ = ["Kind", "ModelState", "Problem", "State", "check_model", "check_model_exists"]


class State(str, Enum):
    """What a model's directory is, as far as it can be told without a hub."""

    WHOLE = "whole"
    PART = "part"
    """All that was asked for is here; the commit has more."""
    PARTIAL = "partial"
    """There is evidence that something is missing; `ModelState.interrupted` says whether it never arrived."""
    MIXED = "mixed"
    """Files of more than one commit are here; the next fetch mends it."""
    BROKEN = "broken"
    """Something is there and wrong."""
    UNKNOWN = "unknown"
    """Nothing speaks against it, and nothing proves it."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ModelState:
    """What a check found.

    Attributes:
        directory: Where the files are; for a hub's own cache the snapshot that was looked at.
        verdict: The answer.
        size: Bytes of its files, as `ls` counts them.
        files: How many there are.
        problems: What is wrong, file by file, and notes; of very many the first.
        plausible: Whether there are weights, and a README.md, config.json or model_index.json; or all of a
            commit once was.
        verified: Whether every file was hashed once and is untouched since.
        changed: Paths that changed since they were hashed; what they hold now is not known.
        ref: Whose directory it is, where a manifest says so; the revision is the commit.
        revision: The name that it is kept for, None for the default branch.
        stale: Paths of files that are known to be of another commit.
        selected: Whether only a part of the commit was asked for.
        interrupted: Whether something began to arrive here and never did, and nothing else would be lost with
            it: what pruning may take. What a person removed, or put here, is no interruption.
    """

    directory: Path
    verdict: State
    size: int = 0
    files: int = 0
    problems: tuple[Problem, ...] = ()
    plausible: bool = False
    verified: bool = False
    changed: tuple[str, ...] = ()
    ref: RepoRef | None = None
    revision: str | None = None
    stale: tuple[str, ...] = ()
    selected: bool = False
    interrupted: bool = False

    @property
    def to_fetch(self) -> tuple[str, ...]:
        """Paths that have to be fetched, again or at all, before the model is whole."""
        return tuple(one.path for one in self.problems if one.kind in (Kind.MISSING, Kind.BROKEN))


def check_model(directory: Path) -> ModelState:
    """Say whether the model in `directory` is whole. Any directory will do, ours or not.

    A truncated or missing weight file is always found; damage that keeps a file's length is not.

    Raises:
        DiskError: The directory must not or cannot be read.
    """
    with disk_errors(directory):
        if not directory.is_dir():
            return ModelState(directory, State.ABSENT)
        seen = snapshot_of(directory)
        state = judge(seen, inventory.take(seen), manifest.load(seen / RECORDS))
    # Beside one snapshot of a hub's own cache there may be others, which were not looked at.
    return state if seen == directory else replace(state, interrupted=False)


def check_model_exists(directory: Path) -> bool:
    """Return whether a model is there, with a description and weights of plausible, complete sizes."""
    state = check_model(directory)
    return state.plausible and state.verdict in (State.WHOLE, State.UNKNOWN)


def snapshot_of(directory: Path) -> Path:
    """Return the folder that has the files: in a hub's own cache they are one snapshot of several."""
    snapshots = directory / "snapshots"
    if not snapshots.is_dir():
        return directory
    for branch in ("main", "master"):
        note = disk.read_record(directory / "refs" / branch, _LARGEST_NOTE)
        commit = (note or b"").decode(errors="replace").strip()
        if commit and Path(commit).name == commit and (snapshots / commit).is_dir():
            return snapshots / commit
    folders = filter(leads_to_directory, disk.scandir(snapshots))
    newest = max(folders, key=lambda entry: entry.stat().st_mtime_ns, default=None)
    return directory if newest is None else snapshots / newest.name


def judge(directory: Path, found: Inventory, known: Manifest | None) -> ModelState:
    """Say whether the model of these files, about which this is known, is whole; see `check_model`.

    Raises:
        OSError: A header cannot be read.
    """
    if known is None:
        looked = _inspect(directory, found)
        problems = list(looked.problems)
        if looked.weights or looked.described or not found.files:  # else it is no model at all
            problems += _lacks(looked, found)
        return _judged(_Case(directory, found, looked), problems)
    return _by_manifest(directory, known, found)


def _inspect(directory: Path, found: Inventory, *, trusted: Collection[str] = ()) -> Structure:
    from hubferry.cache import structure  # here, so that a listing of verified models does not pay for it

    return structure.inspect(directory, found, trusted=trusted)


@dataclass(frozen=True, slots=True)
class _Case:
    """What a verdict is passed on."""

    directory: Path
    found: Inventory
    looked: Structure | None = None
    known: Manifest | None = None
    changed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


def _by_manifest(directory: Path, known: Manifest, found: Inventory) -> ModelState:
    """Judge by what was verified; where that is not enough, by structure as well."""
    problems, trusted, changed = _compare(known, found)
    stale = tuple(sorted(trusted.intersection(known.stale)))
    whole = known.is_whole
    verified = whole and not problems and not changed
    listed = known.listing != "none" and not whole  # then the records say all that can be said
    if verified or listed or known.repo_type != "model":
        return _judged(_Case(directory, found, None, known, changed, stale), problems)
    looked = _inspect(directory, found, trusted=trusted)
    if whole:  # what the hub itself does not have is not missing here
        problems += [problem for problem in looked.problems if problem.path in known.files]
    else:
        problems += [*looked.problems, *_lacks(looked, found)]
    return _judged(_Case(directory, found, looked, known, changed, stale), problems)


def _compare(known: Manifest, found: Inventory) -> tuple[list[Problem], set[str], tuple[str, ...]]:
    """Return what the manifest misses, which files are as verified, and which have changed since."""
    problems: list[Problem] = []
    trusted: set[str] = set()
    changed: list[str] = []
    for path, entry in known.files.items():
        status = found.files.get(path)
        if status is not None and entry.signature is not None and entry.signature.is_of(status):
            trusted.add(path)
        elif not entry.listed or not (entry.here or entry.wanted):
            continue
        elif status is None:
            problems.append(Problem(path, _("is missing"), Kind.MISSING))
        elif entry.signature is None and not known.is_whole:
            problems.append(Problem(path, _("is not what the commit lists, or was not read"), Kind.MISSING))
        elif entry.signature is None:
            problems.append(Problem(path, _("was found to be wrong"), Kind.BROKEN))
        elif status.st_size != entry.size:
            what = _("has {size} bytes, and {expected} were verified")
            what = what.format(size=status.st_size, expected=entry.size)
            problems.append(Problem(path, what, Kind.BROKEN))
        else:
            changed.append(path)
    return problems, trusted, tuple(changed)


def _lacks(looked: Structure, found: Inventory) -> Iterator[Problem]:
    """Say what every model has and this one does not."""
    if not found.files:
        yield Problem("./", _("is empty"), Kind.MISSING)
        return
    if not looked.weights:
        yield Problem("./", _("has no weights"), Kind.NOTE)
    if not looked.described:
        what = _("is missing, and there is no config.json or model_index.json either")
        yield Problem("README.md", what, Kind.NOTE)


def _judged(case: _Case, problems: list[Problem]) -> ModelState:
    """Pass the verdict: that of the worst problem, or what is left where there is none."""
    known, looked = case.known, case.looked
    ref = None if known is None else known.ref_at(known.commit)
    whole = known is not None and known.is_whole
    kinds = {problem.kind for problem in problems}
    verdict = _verdict(case, kinds)
    return ModelState(
        case.directory,
        verdict,
        size=case.found.size,
        files=len(case.found.files),
        problems=tuple(
            replace(problem, hint=_hint(case.directory, known, problem)) for problem in bounded(problems)
        ),
        plausible=whole or (looked is not None and bool(looked.weights) and looked.described),
        verified=whole and not problems and not case.changed and not case.stale,
        changed=case.changed,
        ref=ref,
        revision=None if known is None else known.revision,
        stale=case.stale,
        selected=known is not None and known.selected,
        interrupted=verdict is State.PARTIAL and _is_interrupted(case, kinds),
    )


def _verdict(case: _Case, kinds: set[Kind]) -> State:
    if Kind.BROKEN in kinds:
        return State.BROKEN
    if case.stale:
        return State.MIXED
    if kinds - {Kind.NOTE}:
        return State.PARTIAL
    proven = case.looked is not None and case.looked.proven > 0 and not kinds
    known = case.known
    if known is not None and known.commit is None and known.files:
        return State.UNKNOWN  # its first transfer may have been interrupted between two files
    if known is not None and not case.changed and known.is_settled:
        return State.WHOLE if known.is_whole else State.PART
    return State.WHOLE if proven else State.UNKNOWN


def _is_interrupted(case: _Case, kinds: set[Kind]) -> bool:
    """Return whether what lacks never arrived, and all that is here came on the way to it.

    By our records, where we keep some; otherwise by what a download left behind, unless it left weights and
    nothing names what else there should be: somebody may have been after one file of several.
    """
    found, known = case.found, case.known
    if not found.files:
        return not found.strange
    if known is None:
        looked = case.looked
        lacks = looked is None or not looked.weights or (Kind.MISSING in kinds and not looked.by_itself)
        return Kind.LEFTOVER in kinds and lacks
    others = (path.rpartition("/")[2] for path in found.files.keys() - known.files.keys())
    if not _OF_THE_SYSTEM.issuperset(others) or known.arrived or known.is_settled:
        return False
    return known.listing != "none" or Kind.LEFTOVER in kinds


def _hint(directory: Path, known: Manifest | None, problem: Problem) -> str:
    if problem.kind is Kind.NOTE:
        return ""
    if known is not None:
        return fetch_command(directory, known)
    path = shlex.quote(str(directory / problem.path))
    if problem.kind is Kind.MISSING:
        return _("transfer it again; what is there stays")
    return _("rm {path}, then transfer it again").format(path=path)


def fetch_command(directory: Path, known: Manifest) -> str:
    """Return the command that brings what a directory lacks: of a selection no more than was asked for."""
    if known.selected:
        return shlex.join(["hubferry", "cache", "repair", directory.name])
    return shlex.join(["hubferry", "fetch", str(known.ref_at(known.revision))])
