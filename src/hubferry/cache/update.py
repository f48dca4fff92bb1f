"""Bring a model's directory from one commit to the next.

What was asked for of the old commit stays whole until all that is asked for of the new one is here: the new
one comes together in a tree of its own, which shares what both have by link, and takes the place of the old
one at once. Where that is impossible (no links, no exchange, a mount point), and where the old commit never
was all here, the directory changes where it is: first what the new commit does not have goes, then the
records name the new commit and all that it lacks. At no moment is there a file that the records call another.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import exchange, placing
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.roots import make_directories
from hubferry.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from hubferry.cache.manifest import Manifest
    from hubferry.model import RepoFile, Revision


@dataclass(frozen=True, slots=True)
class Goal:
    """What is brought in.

    Attributes:
        revision: The commit.
        listing: Everything that it lists.
        wanted: The paths of it that were asked for.
    """

    revision: Revision
    listing: Sequence[RepoFile]
    wanted: Container[str]


def begin(model: ModelDirectory, goal: Goal) -> ModelDirectory:
    """Make ready for a commit; return the directory that its files go to.

    That is `model` itself, or a tree that `settle` lets take its place. Whoever calls holds `model`.

    Raises:
        UsageError: Something that a person put there stands where the new commit has a file.
        DiskError: The disk is full, failing or forbidden.
    """
    known = model.manifest
    same = known is not None and known.commit == goal.revision.commit
    if not same:
        model.look_again()
        known = model.manifest
    if known is not None and known.is_settled and not same:
        try:
            return _stage(model, known, goal)
        except DiskError as error:
            if not placing.cannot_link(error):
                raise
            _discard_staged(model)
    _move_in(model, staged(model), goal)
    return model


def staged(model: ModelDirectory) -> ModelDirectory | None:
    """Return the tree where the next commit of `model` comes together, if there is one."""
    path = model.records / exchange.NEXT
    return ModelDirectory(path, model.ref) if path.is_dir() and not path.is_symlink() else None


def settle(model: ModelDirectory, work: ModelDirectory, goal: Goal) -> ModelDirectory:
    """End what `begin` began, and return the directory to read from.

    A tree takes the place of `model` when all that was asked for is in it; else it waits for the next run.

    Raises:
        UsageError: Something that a person put there stands where the new commit has a file.
        DiskError: The disk is full, failing or forbidden.
    """
    old = model.manifest
    if work is model or old is None:
        work.settle()
        return work
    if not work.settle(old).is_settled:
        return work
    with model.disk_errors():
        if not exchange.take_place(work.path, model.path):
            _move_in(model, work, goal)
            model.settle()
        model.reload()
    return model


def mend(model: ModelDirectory, goal: Goal, *, fill: bool) -> ModelDirectory:
    """Make a directory hold one commit alone, when that takes no byte from a hub.

    Args:
        model: Has the commit and something of others besides or, to `fill` it, all files of the commit.
        goal: The commit.
        fill: Whether the directory is to hold that commit, whichever it holds.
    """
    known = model.manifest
    same = known is not None and known.commit == goal.revision.commit
    if known is None or not (known.stale if same else fill):
        return model
    return settle(model, begin(model, goal), goal)


def _stage(model: ModelDirectory, known: Manifest, goal: Goal) -> ModelDirectory:
    """Return a tree for the new commit, in which all is that both commits have."""
    path = model.records / exchange.NEXT
    with model.disk_errors():
        make_directories(path)
    tree = ModelDirectory(path, model.ref)
    with tree.disk_errors():
        make_directories(tree.records)
        exchange.mark(path)
        tree.reload()
    tree.look_again()
    with suppress(DiskError):
        tree.share(tree, goal.listing)  # what only changed its name
    _become(tree, goal)
    tree.share(model, goal.listing)
    _demand_free(model, known, tree, goal)
    return tree


def _demand_free(model: ModelDirectory, known: Manifest, tree: ModelDirectory, goal: Goal) -> None:
    """Refuse what a person's file would stand in the way of, before anything is fetched for it."""
    listed = {file.path: file for file in goal.listing}
    folders = {path.rpartition("/")[0] for path in listed}
    folders |= {parent for path in list(folders) for parent in _above(path)}
    with model.disk_errors():
        strange = [
            path
            for path in exchange.strangers(model.path, known.files)
            if not (path in known.files and path in listed)
        ]
        for path in strange:
            if path in folders or any(parent in listed for parent in _above(path)):
                raise exchange.in_the_way(model.path / path, path)
        alike = tree.adopt_many((listed[path], model.path / path) for path in strange if path in listed)
        for path in strange:
            if path in listed and path in goal.wanted and path not in alike:
                raise exchange.in_the_way(model.path / path, path)


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _become(model: ModelDirectory, goal: Goal) -> None:
    """Make a directory one of the new commit, with what is here of it already, and nothing else."""
    model.purge(goal.listing)
    model.expect(goal.revision, goal.listing, goal.wanted)


def _move_in(model: ModelDirectory, tree: ModelDirectory | None, goal: Goal) -> None:
    """Change a directory where it is; what came together beside it for another run is taken in."""
    _become(model, goal)
    if tree is None:
        return
    try:
        model.share(tree, goal.listing)
    except DiskError as error:
        if not placing.cannot_link(error):
            raise
        model.adopt_many(
            (file, tree.target(file.path)) for file in goal.listing if tree.known(file) is not None
        )
    _discard_staged(model)


def _discard_staged(model: ModelDirectory) -> None:
    with model.disk_errors():
        exchange.discard(model.records / exchange.NEXT)
