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

from hubferry.cache import inventory, manifest, structure
from hubferry.cache.disk import disk, disk_errors
from hubferry.cache.names import RECORDS
from hubferry.cache.problem import Kind, Problem
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cache.inventory import Inventory
    from hubferry.cache.manifest import Manifest
    from hubferry.model import RepoRef

__all__ = ["Kind", "ModelState", "Problem", "State", "check_model", "check_model_exists"]


class State(str, Enum):
    """What a model's directory is, as far as it can be told without a hub."""

    WHOLE = "whole"
    PARTIAL = "partial"
    """Something is still missing."""
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
        weights: How many of them are weights.
        problems: What is wrong, file by file.
        described: Whether there is a README.md, config.json or model_index.json.
        verified: Whether every file was hashed once and is untouched since.
        changed: Paths that changed since they were hashed; what they hold now is not known.
        ref: Whose directory it is, where a manifest says so.
    """

    directory: Path
    verdict: State
    size: int = 0
    files: int = 0
    weights: int = 0
    problems: tuple[Problem, ...] = ()
    described: bool = False
    verified: bool = False
    changed: tuple[str, ...] = ()
    ref: RepoRef | None = None

    @property
    def to_fetch(self) -> tuple[str, ...]:
        """Paths that have to be fetched, again or at all, before the model is whole."""
        return tuple(problem.path for problem in self.problems if problem.kind is not Kind.LEFTOVER)


def check_model(directory: Path) -> ModelState:
    """Say whether the model in `directory` is whole. Any directory will do, ours or not.

    A truncated or missing weight file is always found; damage that keeps a file's length is not.

    Raises:
        DiskError: The directory must not or cannot be read.
    """
    with disk_errors(directory):
        if not directory.is_dir():
            return ModelState(directory, State.ABSENT)
        directory = _snapshot(directory)
        return judge(directory, inventory.take(directory), manifest.load(directory / RECORDS))


def judge(directory: Path, found: Inventory, known: Manifest | None) -> ModelState:
    """Say whether the model of these files, about which this is known, is whole; see `check_model`.

    Raises:
        OSError: A header cannot be read.
    """
    state = ModelState(directory, State.UNKNOWN, found.size, len(found.files))
    if known is None:
        return _by_structure(state, found)
    state = replace(state, ref=replace(known.ref, revision=known.commit))
    return _by_manifest(state, known, found)


def check_model_exists(directory: Path) -> bool:
    """Return whether a model is there, with a description and weights of plausible, complete sizes."""
    state = check_model(directory)
    if state.verdict is State.UNKNOWN:
        return state.described and state.weights > 0
    return state.verdict is State.WHOLE


def _snapshot(directory: Path) -> Path:
    """Return the folder that has the files: in a hub's own cache they are one snapshot of several."""
    snapshots = directory / "snapshots"
    if not snapshots.is_dir():
        return directory
    for branch in ("main", "master"):
        try:
            commit = disk.read_bytes(directory / "refs" / branch).decode(errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if commit and Path(commit).name == commit and (snapshots / commit).is_dir():
            return snapshots / commit
    folders = [entry for entry in disk.scandir(snapshots) if entry.is_dir()]
    newest = max(folders, key=lambda entry: entry.stat().st_mtime_ns, default=None)
    return directory if newest is None else snapshots / newest.name


def _by_manifest(state: ModelState, known: Manifest, found: Inventory) -> ModelState:
    """Judge by what was verified; where that is not enough, by structure as well."""
    problems, trusted, changed = _compare(known, found)
    state = replace(state, changed=tuple(changed))
    if known.whole and not problems and not changed:
        weights, described = structure.weights_of(found), structure.is_described(found)
        return replace(state, verdict=State.WHOLE, verified=True, weights=len(weights), described=described)
    if known.repo_type != "model":
        return _judged(state, problems, otherwise=State.UNKNOWN)
    looked = structure.inspect(state.directory, found, trusted=trusted)
    state = replace(state, weights=len(looked.weights), described=looked.described)
    if known.whole:  # what the hub itself does not have is not missing here
        problems += [problem for problem in looked.problems if problem.path in known.files]
        return _judged(state, problems, otherwise=State.WHOLE)
    return _judged(state, [*problems, *looked.problems, *_lacks(state)], otherwise=_unproven(looked.proven))


def _compare(known: Manifest, found: Inventory) -> tuple[list[Problem], set[str], list[str]]:
    """Return what the manifest misses, which files are as verified, and which have changed since."""
    problems: list[Problem] = []
    trusted: set[str] = set()
    changed: list[str] = []
    if known.commit is None and known.files:
        problems.append(Problem("./", _("is not finished: its transfer was interrupted"), Kind.MISSING))
    for path, entry in known.files.items():
        status = found.files.get(path)
        if status is not None and entry.signature == manifest.Signature.of(status):
            trusted.add(path)
        elif not entry.listed:
            continue
        elif status is None:
            problems.append(Problem(path, _("is missing"), Kind.MISSING))
        elif status.st_size != entry.size:
            what = _("has {size} bytes, and {expected} were verified")
            what = what.format(size=status.st_size, expected=entry.size)
            problems.append(Problem(path, what, Kind.BROKEN))
        else:
            changed.append(path)
    return problems, trusted, changed


def _by_structure(state: ModelState, found: Inventory) -> ModelState:
    """Judge a directory about which nothing is recorded."""
    looked = structure.inspect(state.directory, found)
    state = replace(state, weights=len(looked.weights), described=looked.described)
    if found.files and not looked.weights and not looked.described:
        return _judged(state, list(looked.problems), otherwise=State.UNKNOWN)
    return _judged(state, [*looked.problems, *_lacks(state)], otherwise=_unproven(looked.proven))


def _unproven(proven: int) -> State:
    return State.WHOLE if proven else State.UNKNOWN


def _lacks(state: ModelState) -> Iterator[Problem]:
    """Say what every model has and this one does not."""
    if not state.files:
        yield Problem("./", _("is empty"), Kind.MISSING)
        return
    if not state.weights:
        yield Problem("./", _("has no weights"), Kind.MISSING)
    if not state.described:
        what = _("is missing, and there is no config.json or model_index.json either")
        yield Problem("README.md", what, Kind.MISSING)


def _judged(state: ModelState, problems: list[Problem], *, otherwise: State) -> ModelState:
    """Return the state with its verdict: the worst problem's, or `otherwise` where there is none."""
    kinds = {problem.kind for problem in problems}
    verdict = State.BROKEN if Kind.BROKEN in kinds else State.PARTIAL if kinds else otherwise
    single = {problem.path: problem for problem in reversed(problems)}
    hinted = [replace(problem, hint=_hint(state, problem)) for problem in reversed(single.values())]
    return replace(state, verdict=verdict, problems=tuple(hinted))


def _hint(state: ModelState, problem: Problem) -> str:
    if state.ref is not None:
        return f"hubferry fetch {shlex.quote(str(state.ref))}"
    path = shlex.quote(str(state.directory / problem.path))
    if problem.kind is Kind.MISSING:
        return _("transfer it again; what is there stays")
    return _("rm {path}, then transfer it again").format(path=path)
