"""What is in the cache: every model of every root, what it takes, whose it is, and whether it is whole.

Names, stat and manifests only; headers are read where nothing was recorded about a model.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.cache import inventory, manifest, usage
from hubferry.cache.check import ModelState, State, check_model, judge
from hubferry.cache.disk import disk, disk_errors
from hubferry.cache.names import DOOMED_SUFFIX, NEXT_SUFFIX, PASSING_PREFIX, RECORDS
from hubferry.cache.problem import Kind, Problem
from hubferry.cache.usage import Inode, Usage
from hubferry.errors import DiskError, NotFoundError
from hubferry.i18n import _

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hubferry.model import RepoRef


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One directory of a root.

    Attributes:
        path: Where it is.
        root: The root it lies in.
        judged: Whether it is whole, and what is wrong with it.
        used: Last use, in seconds since 1970; without a manifest the last change.
        pinned: Whether pruning leaves it alone.
        published: The destinations where it was proven to be.
        usage: Its inodes.
        identity: Device and inode of the directory itself when it was listed.
        link_to: Where it leads, for a symbolic link in place of a directory; nothing of it is counted.
    """

    path: Path
    root: Path
    judged: ModelState
    used: float = 0.0
    pinned: bool = False
    published: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage, repr=False)
    identity: Inode = (0, 0)
    link_to: str | None = None

    @property
    def state(self) -> State:
        """Whether it is whole."""
        return self.judged.verdict

    @property
    def ref(self) -> RepoRef | None:
        """Whose it is, where its manifest says so; the revision is the commit."""
        return self.judged.ref

    @property
    def size(self) -> int:
        """Bytes of its files, as `ls` counts them."""
        return self.judged.size

    @property
    def files(self) -> int:
        """How many files the model has."""
        return self.judged.files

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, file by file."""
        return self.judged.problems

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def title(self) -> str:
        """What a person calls it: the repository and its revision where known, else the directory."""
        if self.ref is None:
            return self.name
        revision = self.judged.revision
        return self.ref.repo_id + (f"@{revision}" if revision is not None else "")

    @property
    def commit(self) -> str | None:
        """The commit it holds."""
        return None if self.ref is None else self.ref.revision

    @property
    def disk(self) -> int:
        """Bytes on the disk, as `du` counts them."""
        return self.usage.disk

    @property
    def frees(self) -> int:
        """Bytes that deleting it, and nothing else, would free."""
        return usage.freed([self.usage])


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything in the roots.

    Attributes:
        models: By root, then name.
        doomed: Directories whose deletion was interrupted, with what they take.
    """

    models: tuple[CachedModel, ...] = ()
    doomed: tuple[CachedModel, ...] = ()

    @property
    def disk(self) -> int:
        """Bytes on the disk of all models together, as `du` counts them."""
        return usage.disk(model.usage for model in self.models)

    @property
    def frees(self) -> int:
        """Bytes that deleting all of them would free."""
        return usage.freed(model.usage for model in self.models)

    def sharing(self, model: CachedModel) -> tuple[CachedModel, ...]:
        """Return the other models that store some of their bytes in the same inodes."""
        own = model.usage.links.keys()
        return tuple(one for one in self.models if one is not model and not own.isdisjoint(one.usage.links))

    def matching(self, name: str) -> tuple[CachedModel, ...]:
        """Return the models that `name` means: a whole name, or else any part of one, in any case.

        Raises:
            NotFoundError: It means none; the hint lists what there is.
        """
        exact = [model for model in self.models if name in _names(model)]
        wanted = name.lower()
        found = exact or [
            model for model in self.models if any(wanted in known.lower() for known in _names(model)[:3])
        ]
        if not found:
            raise no_such_model(name, self.models)
        return tuple(found)


def no_such_model(name: str, models: Iterable[CachedModel]) -> NotFoundError:
    """Return the error for a name that matches nothing, which lists what there is."""
    there = ", ".join(sorted(model.title for model in models))
    hint = _("there is: {names}").format(names=there) if there else _("the cache is empty")
    return NotFoundError(
        _("no model in the cache is called {name}").format(name=name), side="cache", hint=hint
    )


def freed(models: Iterable[CachedModel]) -> int:
    """Return the bytes that deleting these models together would free."""
    return usage.freed(model.usage for model in models)


def list_models(roots: Sequence[Path]) -> Listing:
    """Look through the roots; one that is not there is empty.

    Raises:
        DiskError: A root must not or cannot be read.
    """
    models: list[CachedModel] = []
    doomed: list[CachedModel] = []
    for root in roots:
        with disk_errors(root):
            if root.is_dir():
                for entry in disk.scandir(root):
                    if entry.name.endswith(DOOMED_SUFFIX) or _was_passing(root, entry):
                        doomed.append(_doomed(root, entry))
                    elif not entry.name.startswith(".") and entry.is_dir():
                        models.append(describe(root / entry.name, root))
    return Listing(tuple(models), tuple(doomed))


def _was_passing(root: Path, entry: os.DirEntry[str]) -> bool:
    """Return whether a directory was to be gone with its run, and that run is."""
    passes = entry.name.startswith(PASSING_PREFIX) or entry.name.endswith(NEXT_SUFFIX)
    if not passes or not entry.is_dir(follow_symlinks=False):
        return False
    from hubferry.cache import locks  # a listing seldom needs it

    return not locks.is_held(root / entry.name / RECORDS)


def describe(path: Path, root: Path) -> CachedModel:
    """Describe the model in the directory `path` of `root`.

    Raises:
        OSError: It is not there.
    """
    status = disk.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        nothing = ModelState(path, State.UNKNOWN)
        link_to = str(path.readlink())
        return CachedModel(path, root, nothing, status.st_mtime, identity=_identity(status), link_to=link_to)
    try:
        return _described(path, root, status)
    except (OSError, DiskError) as error:  # one bad directory hides none of the others
        problem = Problem("./", _("cannot be read: {reason}").format(reason=error), Kind.BROKEN)
        unread = ModelState(path, State.UNKNOWN, problems=(problem,))
        return CachedModel(path, root, unread, status.st_mtime, identity=_identity(status))


def _described(path: Path, root: Path, status: os.stat_result) -> CachedModel:
    found = inventory.take(path)
    known = manifest.load(path / RECORDS) if found.has_records else None
    if known is None:
        of_a_hub = any(file.startswith("snapshots/") for file in found.files)
        newest = max((file.st_mtime for file in found.files.values()), default=status.st_mtime)
        judged = check_model(path) if of_a_hub else judge(path, found, None)
        return CachedModel(path, root, judged, newest, usage=found.usage, identity=_identity(status))
    return CachedModel(
        path,
        root,
        judge(path, found, known),
        known.used,
        known.pinned,
        tuple(one.destination for one in known.published),
        found.usage,
        _identity(status),
    )


def _identity(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _doomed(root: Path, entry: os.DirEntry[str]) -> CachedModel:
    path = root / entry.name
    status = disk.lstat(path)
    found = inventory.take(path) if entry.is_dir(follow_symlinks=False) else inventory.Inventory()
    broken = ModelState(path, State.BROKEN)
    return CachedModel(path, root, broken, usage=found.usage, identity=_identity(status))


def _names(model: CachedModel) -> tuple[str, ...]:
    """Return what a model may be called, the names that a part may be taken of first."""
    ref = model.ref
    if ref is None:
        return (model.name, model.name, model.name, str(model.path))
    return (model.name, model.title, f"{ref.hub}:{model.title}", str(ref), str(model.path))
