"""Move a root. On one filesystem it is a rename; across two, each model is copied, proven, then removed.

Order of writes across filesystems, so that a kill at any moment leaves each model whole at one of them:
copy under a hidden name, hashed on the way → fsync → records with the copies' signatures → rename → remove
the original. What is under way when it is interrupted is copied again by the next run.
"""

from __future__ import annotations

import errno
import secrets
import shlex
import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from hubferry.cache import clean, locks, manifest, placing
from hubferry.cache.disk import disk, disk_errors, walk
from hubferry.cache.listing import list_models
from hubferry.cache.manifest import Signature
from hubferry.cache.names import DOOMED_SUFFIX, RECORDS
from hubferry.cache.roots import FOLDERS, TAG_NAME, create_root, make_directories
from hubferry.errors import DiskError, IntegrityError, NotFoundError, UsageError
from hubferry.i18n import _
from hubferry.locking import LOCK
from hubferry.places import is_directory, nearest_directory, resolved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hubferry.cache.listing import CachedModel, Listing
    from hubferry.cache.usage import Inode

_SPARE = 16 << 20
"""Bytes to leave free at the new place."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move came to; `unshared` bytes were links to other caches and are copies now."""

    root: Path
    models: int
    unshared: int = 0


def _silent(_name: str) -> None:
    """Say nothing."""


def move(
    source: Path, target: Path, *, link: bool = False, on_model: Callable[[str], None] = _silent
) -> Moved:
    """Move the root `source` to `target`, or raise what stands against it before anything has moved.

    Args:
        source: A root.
        target: New, empty, or what an interrupted move of this root left.
        link: Whether to leave a symbolic link to it at `source`.
        on_model: Called with the name of each model that has arrived.

    Raises:
        NotFoundError: There is nothing at `source`.
        UsageError: `target` has other things in it, or one lies in the other.
        LockedError: A running transfer holds a model.
        DiskError: There is not enough room, or no permission.
        IntegrityError: A file is not what was verified; the model stays where it was.
    """
    source, target = resolved(source), resolved(target)
    if not is_directory(source):
        raise NotFoundError(_("there is no cache at {path}").format(path=source), side="cache")
    listing = list_models([source])
    with disk_errors(target):
        _demand_free_place(source, target)
        clean.refuse_held(listing.models)
        if _can_rename(source, target) and _rename(source, target, listing):
            moved = Moved(target, len(listing.models))
        else:
            moved = _copy(source, target, listing, on_model)
        if link and not source.exists():
            source.symlink_to(target, target_is_directory=True)
    return moved


def _demand_free_place(source: Path, target: Path) -> None:
    if source == target or source in target.parents or target in source.parents:
        raise UsageError(_("{target} and {source} lie in one another").format(target=target, source=source))
    if target.exists() and not target.is_dir():
        raise UsageError(_("{path} is no directory").format(path=target))
    names = {entry.name for entry in disk.scandir(target)} if target.is_dir() else set()
    if names and TAG_NAME not in names:
        message = _("{path} is not empty, and no cache")
        raise UsageError(message.format(path=target), hint=_("choose a new or empty directory"))
    both = sorted(name for name in names - {TAG_NAME} if (source / name).exists())
    if both:
        message = _("both caches have {names}")
        hint = shlex.join(["hubferry", "cache", "clean", both[0]])
        raise UsageError(message.format(names=", ".join(both)), hint=hint)


def _can_rename(source: Path, target: Path) -> bool:
    """Return whether a rename will do: one filesystem, and nothing at the new place."""
    if target.is_dir() and disk.scandir(target):
        return False
    return disk.stat(source).st_dev == disk.stat(nearest_directory(target)).st_dev


def _rename(source: Path, target: Path, listing: Listing) -> bool:
    """Give a root another name; return whether the system did: to another mount of one disk it does not."""
    with ExitStack() as held:
        for model in listing.models:
            if model.link_to is None:
                held.enter_context(locks.hold(model.path / RECORDS, name=model.title, wait=0))
        if target.is_dir():
            disk.rmdir(target)
        make_directories(target.parent)
        try:
            disk.replace(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        disk.fsync_directory(target.parent)
    return True


def _copy(source: Path, target: Path, listing: Listing, on_model: Callable[[str], None]) -> Moved:
    create_root(target)
    missing = listing.disk + _SPARE - disk.free(target)
    if missing > 0:
        message = _("{path} is too small: {size} more bytes are needed")
        raise DiskError(message.format(path=target, size=missing), side="cache", path=str(target))
    copies: dict[Inode, Path] = {}
    for model in listing.models:
        if model.link_to is None:
            _copy_model(model, target, copies)
        else:
            (target / model.name).symlink_to(model.path.resolve(), target_is_directory=True)
        clean.remove(model, pinned=True)  # it is pinned at the new place
        on_model(model.title)
    clean.sweep(listing)
    _move_what_folders_hash_to(source / FOLDERS, target / FOLDERS)
    disk.unlink(source / TAG_NAME, missing_ok=True)
    if not disk.scandir(source):
        disk.rmdir(source)
    return Moved(target, len(listing.models), listing.disk - listing.frees)


def _move_what_folders_hash_to(source: Path, target: Path) -> None:
    """Take along what is remembered of folders; what cannot be read is read anew when it is needed."""
    if not is_directory(source):
        return
    make_directories(target)
    for entry in disk.scandir(source):
        if (target / entry.name).exists():  # an interrupted move has brought it
            continue
        with suppress(OSError):
            placing.write_all([(target / entry.name, disk.read_bytes(source / entry.name))])
    disk.remove_tree(source)


def _copy_model(model: CachedModel, target: Path, copies: dict[Inode, Path]) -> None:
    """Copy one model so that it appears at the new place at once, whole and proven."""
    hidden = target / f".{secrets.token_hex(16)}{DOOMED_SUFFIX}"
    with locks.hold(model.path / RECORDS, name=model.title, wait=0):
        tree = _Tree(model.path, hidden, copies)
        try:
            tree.copy()
            tree.write_records()
            disk.replace(hidden, target / model.name)
        except BaseException:
            with suppress(OSError):
                disk.remove_tree(hidden)
            raise
        disk.fsync_directory(target)
        for inode, path in tree.linked.items():
            copies[inode] = target / model.name / path.relative_to(hidden)


class _Tree:
    """Copy a model's directory, and hold each file against what was verified."""

    def __init__(self, origin: Path, hidden: Path, copies: dict[Inode, Path]) -> None:
        self.linked: dict[Inode, Path] = {}
        self._origin = origin
        self._hidden = hidden
        self._copies = copies
        self._known = manifest.load(origin / RECORDS)
        self._signatures: dict[str, Signature | None] = {}

    def copy(self) -> None:
        """Copy the directory and all below it; a name is durable before the directory that it is in."""
        made: list[Path] = []
        for place, entries in walk(self._origin):
            below = place.relative_to(self._origin)
            disk.mkdir(self._hidden / below)
            made.append(self._hidden / below)
            for entry in entries:
                path = (below / entry.name).as_posix()
                if entry.is_symlink():
                    (self._hidden / path).symlink_to((self._origin / path).readlink())
                elif entry.is_file() and not _is_replaced(path):
                    self._file(path)
        for directory in reversed(made):
            disk.fsync_directory(directory)

    def _file(self, path: str) -> None:
        origin, place = self._origin / path, self._hidden / path
        status = disk.lstat(origin)
        inode = (status.st_dev, status.st_ino)
        twin = self.linked.get(inode) or self._copies.get(inode)
        if twin is not None:
            disk.link(twin, place)
            digest = None
        else:
            digest = placing.copy_hashing(origin, place, git=False).digests.sha256
            shutil.copystat(origin, place)
        if status.st_nlink > 1:
            self.linked.setdefault(inode, place)
        entry = self._known.files.get(path) if self._known is not None else None
        if entry is None:
            return
        untouched = entry.signature == Signature.of(status)
        if untouched and digest not in (None, entry.sha256):
            message = _("{path} is not what was verified any more")
            hint = shlex.join(["hubferry", "cache", "verify", self._origin.name])
            raise IntegrityError(message.format(path=origin), side="cache", path=path, hint=hint)
        sound = untouched or digest == entry.sha256
        self._signatures[path] = Signature.of(disk.lstat(place)) if sound else None

    def write_records(self) -> None:
        """Write the manifest anew: the copies have signatures of their own."""
        if self._known is None:
            return
        files = {
            path: msgspec.structs.replace(entry, signature=self._signatures.get(path))
            for path, entry in self._known.files.items()
        }
        manifest.save(self._hidden / RECORDS, msgspec.structs.replace(self._known, files=files))


def _is_replaced(path: str) -> bool:
    """Return whether a file of our records is written anew, or belongs to the old place only."""
    names = (manifest.MANIFEST, manifest.JOURNAL, LOCK)
    return path.startswith(tuple(f"{RECORDS}/{name}" for name in names))
