"""Bring a file to its place inside a model's directory: nowhere else, never through a symlink, never half."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache.digests import digest_file, ignore
from hubferry.cache.disk import disk, walk
from hubferry.cache.manifest import MANIFEST, Signature
from hubferry.cache.names import check_path
from hubferry.cache.partial import MAP_SUFFIX
from hubferry.errors import IntegrityError
from hubferry.i18n import _
from hubferry.locking import LOCK, SOFT_LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from hubferry.model import Digests

TEMPORARY_SUFFIX = ".tmp"
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""A pipe that came into a file's place does not hold the reading up."""
_FINE_TICK_NS = 20_000_000
"""Twice the coarsest clock tick (10 ms) by which common kernels stamp files."""
_COARSE_TICK_NS = 2_000_000_000
"""FAT stamps files every two seconds."""
CANNOT_LINK = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.EMLINK,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EINVAL,
)
_LOCKS = (LOCK, SOFT_LOCK)
"""What these are is the business of who holds them."""
FSYNC_THREADS = 32
_OPEN_AT_ONCE = 64
_CANNOT_REFLINK = (*CANNOT_LINK, errno.ENOTTY, errno.ETXTBSY, errno.EBADF)


def place_of(directory: Path, path: str) -> Path:
    """Return where a hub's file of this name belongs in `directory`.

    Raises:
        IntegrityError: The name is not safe, or a directory on the way is a symlink.
    """
    check_path(path)
    parent = directory
    for part in path.split("/")[:-1]:
        parent /= part
        if parent.is_symlink():
            message = _("{path} is a symbolic link; nothing is stored through one")
            hint = _("remove the link")
            raise IntegrityError(message.format(path=parent), side="cache", path=path, hint=hint)
    return directory / path


def make_parents(directory: Path, place: Path, *, clear: Callable[[Path], None]) -> set[Path]:
    """Create the directories between `directory` and `place`; return those in which a new one was made.

    `clear` is asked to remove a file that stands where a directory has to be.
    """
    grown: set[Path] = set()
    parent = directory
    for part in place.relative_to(directory).parts[:-1]:
        child = parent / part
        if child.is_file() and not child.is_symlink():
            clear(child)
        with suppress(FileExistsError):
            disk.mkdir(child)
            grown.add(parent)
        if not stat.S_ISDIR(disk.lstat(child).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(child))
        parent = child
    return grown


def files_at(place: Path) -> Iterator[Path]:
    """Yield the file at `place`, or those in the directory there; what a link leads to is none of them."""
    if place.is_symlink() or not place.is_dir():
        yield place
        return
    for directory, entries in walk(place):
        yield from (directory / entry.name for entry in entries)


def remove_empty(place: Path) -> None:
    """Remove a directory in which there is no file, as a run that was killed between two steps leaves it."""
    with suppress(OSError):
        for directory, _files in reversed(list(walk(place))):
            with suppress(OSError):
                disk.rmdir(directory)


def new_name(directory: Path) -> Path:
    """Return a name in `directory` that nobody can guess."""
    return directory / (secrets.token_hex(16) + TEMPORARY_SUFFIX)


def write_all(files: Sequence[tuple[Path, bytes]]) -> list[Signature]:
    """Write new files so that they survive a power cut; nothing is left of them when that fails.

    One thread writes, and many wait for the disk: a system brings to it together what is waited for at once.
    """
    signatures: list[Signature] = []
    try:
        with ThreadPoolExecutor(FSYNC_THREADS) as threads:
            for first in range(0, len(files), _OPEN_AT_ONCE):
                signatures += _write_group(files[first : first + _OPEN_AT_ONCE], threads)
    except BaseException:
        remove_all(path for path, _content in files)
        raise
    return signatures


def _write_group(files: Sequence[tuple[Path, bytes]], threads: ThreadPoolExecutor) -> list[Signature]:
    with ExitStack() as stack:
        descriptors = []
        for path, content in files:
            descriptor = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            stack.callback(disk.close, descriptor)
            disk.pwrite_all(descriptor, [content], 0)
            descriptors.append(descriptor)
        for _done in threads.map(disk.fsync, descriptors):
            pass
        return [Signature.of(disk.fstat(descriptor)) for descriptor in descriptors]


def sweep(records: Path, partial: Path) -> None:
    """Remove what killed runs left, temporary files and maps of no file; only who holds the lock may.

    So are links, pipes, sockets and devices under names of ours: nothing of ours is one, and writing to them
    would write elsewhere, or never end. A directory stays: it may hold something.
    """
    for directory, stray in ((records, MANIFEST + "."), (partial, "")):
        if not directory.is_dir() or directory.is_symlink():
            continue
        entries = disk.scandir(directory)
        names = {entry.name for entry in entries}
        for entry in entries:
            name = entry.name
            temporary = name.endswith(TEMPORARY_SUFFIX) or (stray and name.startswith(stray))
            orphan = name.endswith(MAP_SUFFIX) and name.removesuffix(MAP_SUFFIX) not in names
            stray_claim = name.startswith(f"{SOFT_LOCK}.")  # of one that died while it took a lock over
            alien = not entry.is_file(follow_symlinks=False) and name not in _LOCKS
            if (temporary or orphan or alien or stray_claim) and not entry.is_dir(follow_symlinks=False):
                disk.unlink(directory / name, missing_ok=True)


def status_of(place: Path) -> os.stat_result | None:
    """Describe a name itself, not what a symlink leads to; None where there is nothing."""
    try:
        return disk.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return None


def signature_of(status: os.stat_result | None) -> Signature | None:
    """Return a regular file's signature; None for anything else, or nothing."""
    return Signature.of(status) if status is not None and stat.S_ISREG(status.st_mode) else None


def size_of(place: Path) -> int:
    """Return the bytes of what a path leads to; 0 where there is nothing."""
    try:
        return disk.stat(place).st_size
    except OSError:
        return 0


def remove_all(paths: Iterable[Path]) -> None:
    """Remove temporary files, those that are there and can be removed."""
    for path in paths:
        with suppress(OSError):
            disk.unlink(path, missing_ok=True)


def settle(path: Path) -> Signature | None:
    """Make a written file's bytes durable and return its signature; None when it is no regular file."""
    descriptor = disk.open(path, os.O_RDWR | _NO_FOLLOW)
    try:
        if not stat.S_ISREG(disk.fstat(descriptor).st_mode):
            return None
        disk.fsync(descriptor)
        return Signature.of(disk.fstat(descriptor))
    finally:
        disk.close(descriptor)


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file as it was while it was hashed."""

    digests: Digests
    signature: Signature


def hash_path(
    path: Path, *, git: bool, follow: bool = False, also: Callable[[bytes, int], None] = ignore
) -> Hashed | None:
    """Hash a regular file; None when it is none, or changed meanwhile.

    A file that was written this very moment is given the time to get a later stamp if it is written again:
    else its signature could not tell the two contents apart.

    Args:
        path: Where it is.
        git: Whether git's blob id is wanted, too.
        follow: Whether a link will do.
        also: As `digest_file` calls it.
    """
    descriptor = disk.open(path, os.O_RDONLY | _NO_WAIT | (0 if follow else _NO_FOLLOW))
    try:
        before = disk.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return None
        _let_the_clock_tick(before.st_mtime_ns)
        digests = digest_file(descriptor, before.st_size, git=git, also=also)
        signature = Signature.of(disk.fstat(descriptor))
        return Hashed(digests, signature) if signature == Signature.of(before) else None
    finally:
        disk.close(descriptor)


def _let_the_clock_tick(mtime_ns: int) -> None:
    tick = _FINE_TICK_NS if mtime_ns % 1_000_000_000 else _COARSE_TICK_NS
    left = mtime_ns + tick - time.time_ns()
    if 0 < left <= tick:
        time.sleep(left / 1_000_000_000)


def share(origin: Path, temporary: Path, hashed: Hashed) -> Signature | None:
    """Give the content of `origin` the name `temporary` without copying it.

    Returns:
        What the new name's signature is; None where the filesystem (or a limit of it) demands a copy, or
        `origin` is no longer what was hashed.
    """
    if keeps_a_group_out(origin, temporary.parent):
        return _clone(origin, temporary, hashed)
    try:
        disk.link(origin, temporary)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
    else:
        if (signature := settle_shared(temporary)) == hashed.signature:
            return signature
        disk.unlink(temporary)
        return None
    return _clone(origin, temporary, hashed)


def keeps_a_group_out(origin: Path, directory: Path) -> bool:
    """Return whether a file, under a second name in a group's directory, could not be read by that group."""
    shared = disk.stat(directory)
    if not shared.st_mode & stat.S_ISGID:
        return False
    status = disk.stat(origin)
    theirs = stat.S_IRGRP if status.st_gid == shared.st_gid else stat.S_IROTH
    return not status.st_mode & theirs


def cannot_link(error: BaseException) -> bool:
    """Return whether something failed because the filesystem, or a limit of it, has no links."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in CANNOT_LINK


def settle_shared(path: Path) -> Signature:
    """Make a file durable that is not ours to write, and return its signature."""
    descriptor = disk.open(path, os.O_RDONLY | _NO_FOLLOW)
    try:
        with suppress(PermissionError):
            disk.fsync(descriptor)
        return Signature.of(disk.fstat(descriptor))
    finally:
        disk.close(descriptor)


def _clone(origin: Path, temporary: Path, hashed: Hashed) -> Signature | None:
    source = disk.open(origin, os.O_RDONLY | _NO_FOLLOW)
    try:
        if Signature.of(disk.fstat(source)) != hashed.signature:
            return None
        target = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            disk.reflink(source, target)
            if Signature.of(disk.fstat(source)) == hashed.signature:
                disk.fsync(target)
                return Signature.of(disk.fstat(target))
        except OSError as error:
            if error.errno not in _CANNOT_REFLINK:
                raise
        finally:
            disk.close(target)
        disk.unlink(temporary)
        return None
    finally:
        disk.close(source)


def copy_hashing(origin: Path, temporary: Path, *, git: bool) -> Hashed:
    """Copy `origin` to a new durable file and hash what was written, in one reading."""
    source = disk.open(origin, os.O_RDONLY)
    try:
        target = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            size = disk.fstat(source).st_size
            digests = digest_file(source, size, git=git, also=_writer(target))
            disk.fsync(target)
            return Hashed(digests, Signature.of(disk.fstat(target)))
        except BaseException:
            disk.unlink(temporary, missing_ok=True)
            raise
        finally:
            disk.close(target)
    finally:
        disk.close(source)


def copy_all(files: Sequence[tuple[Path, Path]], *, git: bool) -> list[Hashed | None]:
    """Copy each (origin, new name) as `copy_hashing` does, with many waits for the disk at once.

    None for an origin that cannot be opened any more. Whoever calls removes the new names when this fails.
    """
    hashed: list[Hashed | None] = []
    with ThreadPoolExecutor(FSYNC_THREADS) as threads:
        for first in range(0, len(files), _OPEN_AT_ONCE):
            hashed += _copy_group(files[first : first + _OPEN_AT_ONCE], threads, git=git)
    return hashed


def _copy_group(
    files: Sequence[tuple[Path, Path]], threads: ThreadPoolExecutor, *, git: bool
) -> list[Hashed | None]:
    written: list[tuple[int, Digests] | None] = []
    with ExitStack() as stack:
        for origin, temporary in files:
            try:
                source = disk.open(origin, os.O_RDONLY | _NO_WAIT)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                written.append(None)
                continue
            with ExitStack() as reading:
                reading.callback(disk.close, source)
                target = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                stack.callback(disk.close, target)
                size = disk.fstat(source).st_size
                written.append((target, digest_file(source, size, git=git, also=_writer(target))))
        for _done in threads.map(disk.fsync, [one[0] for one in written if one is not None]):
            pass
        return [None if one is None else Hashed(one[1], Signature.of(disk.fstat(one[0]))) for one in written]


def _writer(descriptor: int) -> Callable[[bytes, int], None]:
    def write(block: bytes, offset: int) -> None:
        disk.pwrite_all(descriptor, [block], offset)

    return write
