"""What is in the cache: every model of every root, what it takes, whose it is, and whether it is whole.

Names, stat and manifests only; headers are read where nothing was recorded about a model.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from hubferry.cache import inventory, manifest, matching, usage
from hubferry.cache.check import ModelState, State, check_model, judge
from hubferry.cache.disk import disk, disk_errors, leads_to_directory
from hubferry.cache.matching import Called, Precision
from hubferry.cache.names import DOOMED_SUFFIX, NEXT_SUFFIX, PASSING_PREFIX, RECORDS
from hubferry.cache.problem import Kind, Problem
from hubferry.cache.usage import Inode, Usage
from hubferry.errors import DiskError, NotFoundError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hubferry.model import RepoRef

_FEW = 3
"""Models that an error may name, rather than count."""


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
        link_to: Where it leads, for a symbolic link in place of a directory; nothing of it is counted, and
            `followed` tells what it leads to.
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
        return matching.title_of(self.ref, self.judged.revision)

    @property
    def called(self) -> Called:
        """Everything that it may be called."""
        return Called(self.name, str(self.path), self.ref, self.judged.revision)

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
        """Bytes that deleting it, and nothing else, would free; of a link only the link goes."""
        return 0 if self.link_to is not None else self.usage.disk - self.usage.shared


@dataclass(frozen=True)
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

    @property
    def shared(self) -> int:
        """Bytes on the disk that have a name outside of the model that was listed with them, each once."""
        together: dict[Inode, int] = {}
        for model in self.models:
            own = model.usage
            together |= {at: own.bytes[at] for at, links in own.links.items() if links > own.names[at]}
        return sum(together.values())

    @cached_property
    def _holders(self) -> dict[Inode, list[CachedModel]]:
        """Who stores what in an inode that has several names."""
        holders: dict[Inode, list[CachedModel]] = {}
        for model in self.models:
            for inode in model.usage.links:
                holders.setdefault(inode, []).append(model)
        return holders

    def sharing(self, model: CachedModel, most: int | None = None) -> tuple[CachedModel, ...]:
        """Return the other models that store some of their bytes in the same inodes, `most` of them."""
        found: dict[int, CachedModel] = {}
        for inode in model.usage.links:
            for one in self._holders.get(inode, ()):
                if most is not None and len(found) == most:
                    return tuple(found.values())
                if one is not model:
                    found[id(one)] = one
        return tuple(found.values())

    def find(self, name: str) -> tuple[tuple[CachedModel, ...], Precision]:
        """Return the models that `name` means, and how precisely: a whole name before a part of one.

        Raises:
            NotFoundError: It means none; the hint has the nearest names.
        """
        called = [model.called for model in self.models]
        found, precision = matching.find(name, called)
        if not found:
            raise no_such_model(name, called)
        return tuple(self.models[number] for number in found), precision

    def matching(self, name: str) -> tuple[CachedModel, ...]:
        """Return the models that `name` means; see `find`."""
        return self.find(name)[0]


def no_such_model(name: str, there: Sequence[Called]) -> NotFoundError:
    """Return the error for a name that means nothing that is `there`; its hint has the nearest names."""
    near = matching.nearest(name, there)
    if near:
        hint = _("did you mean: {names}").format(names=", ".join(near))
    elif not there:
        hint = _("the cache is empty")
    elif len(there) <= _FEW:
        hint = _("there is: {names}").format(names=", ".join(sorted(called.title for called in there)))
    else:
        count = ngettext("{count} model", "{count} models", len(there)).format(count=len(there))
        hint = f"hubferry cache list   # {count}"
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
            for entry in entries(root):
                with suppress(FileNotFoundError):  # somebody removed it while this looked
                    if entry.name.endswith(DOOMED_SUFFIX) or _was_passing(root, entry):
                        doomed.append(_doomed(root, entry))
                    elif is_model(entry):
                        models.append(describe(root / entry.name, root))
    return Listing(tuple(models), tuple(doomed))


def entries(root: Path) -> list[os.DirEntry[str]]:
    """Return what a root has; one that is not there has nothing.

    Raises:
        OSError: It cannot be read.
    """
    return disk.scandir(root) if root.is_dir() else []


def is_model(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry of a root is the directory of a model, or a link to one."""
    return not entry.name.startswith(".") and leads_to_directory(entry)


def _was_passing(root: Path, entry: os.DirEntry[str]) -> bool:
    """Return whether a directory was to be gone with its run, and that run is."""
    passes = entry.name.startswith(PASSING_PREFIX) or entry.name.endswith(NEXT_SUFFIX)
    if not passes or not entry.is_dir(follow_symlinks=False):
        return False
    from hubferry.cache import locks  # a listing seldom needs it

    try:
        return not locks.is_held(root / entry.name / RECORDS)
    except PermissionError:  # another account's, whose run may be at work
        return False


def describe(path: Path, root: Path) -> CachedModel:
    """Describe the model in the directory `path` of `root`.

    Raises:
        OSError: It is not there.
    """
    status = disk.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return _link(path, root, status)
    try:
        return _described(path, root, status)
    except (OSError, DiskError) as error:  # one bad directory hides none of the others
        status = disk.lstat(path)  # but one that was removed meanwhile is none
        problem = Problem("./", _("cannot be read: {reason}").format(reason=error), Kind.BROKEN)
        unread = ModelState(path, State.UNKNOWN, problems=(problem,))
        return CachedModel(path, root, unread, status.st_mtime, identity=_identity(status))


def _link(path: Path, root: Path, status: os.stat_result) -> CachedModel:
    """Describe a link by the records of what it leads to; none of its files are looked at."""
    known = None
    with suppress(OSError):
        known = manifest.load(path / RECORDS)
    link = CachedModel(
        path,
        root,
        ModelState(path, State.UNKNOWN),
        status.st_mtime,
        identity=_identity(status),
        link_to=str(path.readlink()),
    )
    if known is None:
        return link
    judged = replace(link.judged, ref=known.ref_at(known.commit), revision=known.revision)
    return replace(link, judged=judged, used=known.used, pinned=known.pinned)


def followed(model: CachedModel) -> CachedModel:
    """Return what a listed link leads to, described under the link's own name; a directory as it is.

    Raises:
        DiskError: It leads nowhere.
    """
    if model.link_to is None:
        return model
    with disk_errors(model.path):
        there = describe(model.path.resolve(), model.root)
    judged = replace(there.judged, directory=model.path)
    return replace(there, path=model.path, judged=judged, identity=model.identity, link_to=model.link_to)


def _described(path: Path, root: Path, status: os.stat_result) -> CachedModel:
    found = inventory.take(path, status)
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
    status, found = disk.lstat(path), inventory.Inventory()
    if entry.is_dir(follow_symlinks=False):
        with suppress(PermissionError):  # another account's: what it takes is not known
            found = inventory.take(path, status)
    broken = ModelState(path, State.BROKEN)
    return CachedModel(path, root, broken, usage=found.usage, identity=_identity(status))
