"""Let a tree that is ready take a model's place, at once, and what a person put there stay.

    <model>/.hubferry/next  →  .<digest>.hubferry-next  ⇄  <model>  →  .<digest>.hubferry-deleting

The middle step is one exchange of two names: whoever opens the directory finds the old tree or the new one.
A tree that is not there yet carries a mark in its records, so that after a crash the next run can tell it
from one that was replaced. Both trees have the same lock, by link: nobody gets in between.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.cache import locks, manifest, placing
from hubferry.cache.disk import disk, walk
from hubferry.cache.names import DOOMED_SUFFIX, NEXT_SUFFIX, RECORDS
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hubferry.cache.manifest import Entry

NEXT = "next"
"""Directory in a model's records where the next commit comes together: a model's directory of its own."""
_MARK = "staged"
_CANNOT_EXCHANGE = (*placing.CANNOT_LINK, errno.EBUSY, errno.EROFS)
"""No such call, a mount point, no right to write beside the model."""


def mark(tree: Path) -> None:
    """Write down that `tree` is not in its place yet."""
    with suppress(FileExistsError):
        disk.close(disk.open(tree / RECORDS / _MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    disk.fsync_directory(tree / RECORDS)


def take_place(tree: Path, model: Path) -> bool:
    """Let `tree`, whole and durable, be the directory `model`; what was there before is removed.

    Returns:
        False where the filesystem has no exchange, or forbids it; then everything is as it was.

    Raises:
        UsageError: Something that a person put into `model` stands where the new commit has a file.
        OSError: The disk is full or failing.
    """
    locks.demand(model)
    real = model.resolve()
    aside = _aside(real)
    try:
        _complete(tree, real)
        disk.replace(tree, aside)
    except OSError as error:
        if error.errno in _CANNOT_EXCHANGE:
            return False
        raise
    try:
        disk.fsync_directory(real.parent)
        disk.exchange(aside, real)
    except OSError as error:
        disk.replace(aside, real / RECORDS / NEXT)
        if error.errno in _CANNOT_EXCHANGE:
            return False
        raise
    disk.fsync_directory(real.parent)
    _finish(aside, real)
    return True


def _complete(tree: Path, model: Path) -> None:
    """Give `tree` what is not of the commit: a person's files, and the lock that is held."""
    left = list(strangers(tree, _known(tree)))  # by an earlier attempt; they may be gone from `model` since
    for path in left:
        disk.unlink(tree / path)
    for parent in {(tree / path).parent for path in left}:
        disk.fsync_directory(parent)
    carry(model, tree)
    for name in locks.FILES:
        with suppress(FileNotFoundError, FileExistsError):
            disk.link(model / RECORDS / name, tree / RECORDS / name)
    disk.fsync_directory(tree / RECORDS)


def recover(model: Path) -> None:
    """Finish, or take back, what a killed run began with `take_place`; only who holds the lock may."""
    real = model.resolve()
    disk.unlink(real / RECORDS / _MARK, missing_ok=True)
    aside = _aside(real)
    for doomed in (_doomed(aside), _doomed(real / RECORDS / NEXT)):
        if doomed.is_dir():
            disk.remove_tree(doomed)
    if not aside.is_dir() or aside.is_symlink():
        return
    if not (aside / RECORDS / _MARK).exists():
        _finish(aside, real)
    elif (real / RECORDS / NEXT).exists():
        discard(aside)
    else:
        disk.replace(aside, real / RECORDS / NEXT)


def discard(tree: Path) -> None:
    """Remove a tree that nobody needs; what cannot be removed now is removed with the next cleaning."""
    with suppress(OSError):
        doomed = _doomed(tree)
        if doomed.is_dir():
            disk.remove_tree(doomed)
        disk.replace(tree, doomed)
        # or a power cut may bring the old name back to half of a tree, whose records are gone
        disk.fsync_directory(doomed.parent)
        disk.remove_tree(doomed)


def _doomed(tree: Path) -> Path:
    """Return the name under which `tree` is removed, so that nobody takes the rest of it for a tree."""
    return tree.with_name(f".{tree.name.removeprefix('.').removesuffix(NEXT_SUFFIX)}{DOOMED_SUFFIX}")


def _finish(old: Path, model: Path) -> None:
    disk.unlink(model / RECORDS / _MARK, missing_ok=True)
    with suppress(UsageError):  # whatever came into the way in this very moment keeps the old tree alive
        carry(old, model)
        discard(old)


def _aside(real: Path) -> Path:
    """Return where a tree waits beside the model: on its filesystem, and not inside of it."""
    name = hashlib.sha256(os.fsencode(real.name)).hexdigest()[:32]
    return real.parent / f".{name}{NEXT_SUFFIX}"


def carry(old: Path, new: Path) -> None:
    """Give what a person put into `old` a name in `new` as well.

    Raises:
        UsageError: The commit in `new` has a file there.
        OSError: It cannot be shared.
    """
    known, coming = _known(old), _known(new)
    grown: set[Path] = set()
    for path in strangers(old, known):
        place = new / path
        if path in known and path in coming:
            continue  # a person's change to a file of the model: the commit has its own
        if placing.status_of(place) is None:
            grown |= _make_parents(new, old / path, path)
            _give_name(old / path, place)
            grown.add(place.parent)
        elif not _is_same(old / path, place):
            raise in_the_way(old / path, path)
    for directory in grown:
        disk.fsync_directory(directory)


def strangers(directory: Path, known: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the paths of what is in `directory` and is not what was verified there."""
    for path in _below(directory):
        entry = known.get(path)
        if entry is None or entry.signature != placing.signature_of(placing.status_of(directory / path)):
            yield path


def _known(tree: Path) -> Mapping[str, Entry]:
    known = manifest.load(tree / RECORDS)
    return {} if known is None else known.files


def _below(directory: Path) -> Iterator[str]:
    for place, entries in walk(directory, without=directory / RECORDS):
        prefix = "" if place == directory else f"{place.relative_to(directory).as_posix()}/"
        yield from (prefix + entry.name for entry in entries if prefix + entry.name != RECORDS)


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two names have one file, or two of the same content."""
    status = disk.lstat(one)
    if os.path.samestat(status, disk.lstat(other)):
        return True
    if not stat.S_ISREG(status.st_mode):
        return False
    first, second = placing.hash_path(one, git=False), placing.hash_path(other, git=False)
    return first is not None and second is not None and first.digests == second.digests


def _make_parents(tree: Path, origin: Path, path: str) -> set[Path]:
    try:
        return placing.make_parents(tree, tree / path, clear=lambda _place: None)
    except NotADirectoryError as error:
        raise in_the_way(origin, path) from error


def _give_name(origin: Path, place: Path) -> None:
    with suppress(FileNotFoundError):  # its owner took it away meanwhile
        if origin.is_symlink():
            place.symlink_to(origin.readlink())
        else:
            disk.link(origin, place)


def in_the_way(place: Path, path: str) -> UsageError:
    """Return the error for a person's file that stands where a commit has one."""
    message = _("{path}: a file that is not the model's stands where the new commit has one")
    hint = shlex.join(["mv", str(place), f"{place}.mine"])
    return UsageError(message.format(path=path), side="cache", path=path, hint=hint)
