"""The seam to the operating system: every file operation of the cache is a method of `Disk`.

A test makes an operation fail, or records the order of all of them, by setting a method on the one instance
`disk`; nothing in the cache calls `os` for files past it. Methods raise OSError; `disk_errors` turns that
into a sentence once, at the edge of the store.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from contextlib import contextmanager, suppress
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import records
from hubferry.cache import trees
from hubferry.errors import DiskError, DiskFullError
from hubferry.i18n import _
from hubferry.places import nearest_directory
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOM = "hubferry cache prune --older-than 30d --dry-run   # or another disk: HUBFERRY_CACHE=/another/disk"
"""What to type when there is no room."""
_BINARY = getattr(os, "O_BINARY", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_FICLONE = 0x40049409
"""_IOW(0x94, 9, int) of linux/fs.h: share a whole file's extents."""
_PIECES_AT_ONCE = 512
"""Below IOV_MAX, 1,024 on Linux and macOS."""
_POSITIONED = hasattr(os, "pread") and hasattr(os, "pwritev")
_SYNC_FILE_RANGE, _FALLOCATE = "iooi", "iioo"
"""For `_libc`. `os.posix_fallocate` is not the second: it writes zeros where nothing can be reserved."""
_SYNC_FILE_RANGE_WRITE = 2
_AT_FDCWD = -100
_EXCHANGE = 2
"""RENAME_EXCHANGE of linux/fs.h, RENAME_SWAP of macOS's sys/stdio.h."""
_seek_lock = threading.Lock()
_name = attrgetter("name")


class Disk:
    """File operations, one line each wherever the system has them."""

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        """Open and return a descriptor; `flags` as in `os.open`."""
        return os.open(path, flags | _BINARY, mode)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def read(self, descriptor: int, count: int) -> bytes:
        """Read up to `count` bytes from where the descriptor stands."""
        return os.read(descriptor, count)

    def pread(self, descriptor: int, count: int, offset: int) -> bytes:
        """Read `count` bytes from `offset`, fewer only at the end of the file."""
        pieces: list[bytes] = []
        while count > 0:
            piece = _read_at(descriptor, count, offset)
            if not piece:
                break
            pieces.append(piece)
            count -= len(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def pread_into(self, descriptor: int, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset`, less only at the end of the file; return the bytes read."""
        done = 0
        while done < len(buffer):
            count = _read_into(descriptor, buffer[done:], offset + done)
            if not count:
                break
            done += count
        return done

    def pwrite_all(
        self, descriptor: int, pieces: Sequence[bytes | bytearray | memoryview], offset: int
    ) -> int:
        """Write all of `pieces`, one after the other, from `offset` on; return how many bytes."""
        start = offset
        for first in range(0, len(pieces), _PIECES_AT_ONCE):
            views = [memoryview(piece) for piece in pieces[first : first + _PIECES_AT_ONCE] if len(piece)]
            while views:
                written = _write_at(descriptor, views, offset)
                offset += written
                views = _after(views, written)
        return offset - start

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` at the end of a file that was opened with O_APPEND."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut or extend the file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        """Return when the file's bytes and length survive a power cut."""
        os.fsync(descriptor)

    def start_writing(self, descriptor: int, start: int, count: int) -> None:
        """Let the system begin to bring a range to the disk, so that `fsync` will have little left to do.

        Returns at once and promises nothing; a no-op where the system has no such call.
        """
        call = _libc("sync_file_range", _SYNC_FILE_RANGE)
        if call is not None:
            call(descriptor, start, count, _SYNC_FILE_RANGE_WRITE)

    def reserve(self, descriptor: int, start: int, count: int) -> None:
        """Let the system choose where a range of an open file will lie, before anything is written there.

        Promises nothing, as the filesystem may have no such thing; a no-op where the system has no such call.
        """
        call = _libc("fallocate", _FALLOCATE)
        if call is not None:
            call(descriptor, 0, start, count)

    def fsync_directory(self, path: Path) -> None:
        """Return when the names in a directory survive a power cut; a no-op where the system cannot."""
        if not _DIRECTORY:
            return
        descriptor = os.open(path, os.O_RDONLY | _DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network filesystems have no such call
                raise
        finally:
            os.close(descriptor)

    def fstat(self, descriptor: int) -> os.stat_result:
        """Describe an open file."""
        return os.fstat(descriptor)

    def stat(self, path: Path) -> os.stat_result:
        """Describe what a path leads to, through symlinks."""
        return path.stat()

    def lstat(self, path: Path | str) -> os.stat_result:
        """Describe a name itself, not what a symlink leads to."""
        return os.lstat(path)

    def scandir(self, path: Path | str) -> list[os.DirEntry[str]]:
        """List a directory, sorted by name."""
        with os.scandir(path) as entries:
            return sorted(entries, key=_name)

    def read_bytes(self, path: Path) -> bytes:
        """Read a small file whole."""
        return path.read_bytes()

    def read_record(self, path: Path | str, most: int) -> bytes | None:
        """Read a file of records; None where there is none of `most` bytes at most; see `records.read`."""
        return records.read(path, most)

    def replace(self, source: Path, target: Path) -> None:
        """Rename, in one step, over whatever file has the name."""
        source.replace(target)

    def exchange(self, one: Path, other: Path) -> None:
        """Let two names of one filesystem change places, in one step; ENOTSUP where the system cannot."""
        _exchange(os.fsencode(one), os.fsencode(other))

    def link(self, origin: Path, target: Path) -> None:
        """Give a file a second name."""
        target.hardlink_to(origin)

    def reflink(self, origin: int, target: int) -> None:
        """Let an empty open file share the bytes of another until either is written (btrfs, XFS, ...)."""
        if sys.platform != "linux":
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        import fcntl  # absent on Windows

        fcntl.ioctl(target, _FICLONE, origin)

    def lock(self, descriptor: int) -> bool:
        """Lock an open file; return False where somebody else has, True also where there are no locks."""
        try:
            import fcntl  # absent on Windows
        except ImportError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # the filesystem has none
            return True
        return True

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """Remove a name."""
        path.unlink(missing_ok=missing_ok)

    def mkdir(self, path: Path) -> None:
        """Create one directory in an existing one."""
        path.mkdir()

    def rmdir(self, path: Path) -> None:
        """Remove an empty directory."""
        path.rmdir()

    def remove_tree(self, path: Path) -> None:
        """Remove a directory and everything below it; a symlink is removed, never followed."""
        trees.remove(path)

    def free(self, path: Path) -> int:
        """Return the bytes that this user may still write on the filesystem of an existing path."""
        return shutil.disk_usage(path).free


disk = Disk()


@cache
def _libc(name: str, kinds: str) -> Callable[[int, int, int, int], int] | None:
    """Return a call of Linux's that Python does not have as it is, None elsewhere.

    Args:
        name: The call's.
        kinds: Of its arguments, a letter each: `i` an int, `o` an offset into a file.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None)
    call = getattr(library, f"{name}64", None) or getattr(library, name, None)
    if call is not None:
        call.argtypes = tuple({"i": ctypes.c_int, "o": ctypes.c_int64}[kind] for kind in kinds)
    return call


def _exchange(one: bytes, other: bytes) -> None:
    """Call `renameat2` of Linux, or `renamex_np` of macOS; both take 2 for an exchange."""
    import ctypes

    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if call is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), os.fsdecode(other))
    paths = (_AT_FDCWD, one, _AT_FDCWD, other) if name == "renameat2" else (one, other)
    failed = call(*paths, ctypes.c_uint(_EXCHANGE))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(other))


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    if _POSITIONED:
        return os.pread(descriptor, count, offset)
    with _seek_lock:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


def _read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    if _POSITIONED:
        return os.preadv(descriptor, [buffer], offset)
    piece = _read_at(descriptor, len(buffer), offset)
    buffer[: len(piece)] = piece
    return len(piece)


def _write_at(descriptor: int, views: Sequence[memoryview], offset: int) -> int:
    if _POSITIONED:
        return os.pwritev(descriptor, views, offset)
    with _seek_lock:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, views[0])


def _after(views: list[memoryview], written: int) -> list[memoryview]:
    """Drop the first `written` bytes of `views`."""
    for index, view in enumerate(views):
        if written < len(view):
            return [view[written:], *views[index + 1 :]]
        written -= len(view)
    return []


def leads_to_directory(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a directory, or a link to one, as far as this user may see.

    A link that leads in a circle, or to where nobody may look, leads to none.
    """
    try:
        return entry.is_dir()
    except OSError:
        return False


def walk(directory: Path, *, without: Path | None = None) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Yield a directory and each one below it, with what is in it that is no directory, however deep.

    A link is not followed, and belongs to what is in its directory. The directory `without` is left out.

    Raises:
        OSError: A directory cannot be read.
    """
    waiting = [directory]
    while waiting:
        place = waiting.pop()
        entries = disk.scandir(place)
        below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield place, [entry for entry in entries if not entry.is_dir(follow_symlinks=False)]
        waiting += [child for name in reversed(below) if (child := place / name) != without]


@contextmanager
def disk_errors(path: Path, *, needed: int | None = None) -> Iterator[None]:
    """Turn every OSError into a DiskError that says what is wrong with the disk and what to do.

    Args:
        path: Where the work is done, named where the system's error names no file.
        needed: Bytes that the work takes, so that a full disk can say how many are missing.
    """
    try:
        yield
    except OSError as error:
        raise _explain(error, path, needed) from error


def _explain(error: OSError, path: Path, needed: int | None) -> DiskError:
    name = str(error.filename or path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(path, needed)
    if error.errno in (errno.EACCES, errno.EPERM):
        return forbidden(Path(name))
    if error.errno == errno.EROFS:
        return DiskError(
            _("{path}: the disk is read-only").format(path=name),
            side="cache",
            path=name,
            hint=_("choose another place with HUBFERRY_CACHE"),
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return DiskError(
            _("too many files are open"), side="cache", path=name, hint=_("ulimit -n 4096, or fewer --jobs")
        )
    reason = error.strerror or str(error)
    return DiskError(_("{path}: {reason}").format(path=name, reason=reason), side="cache", path=name)


def forbidden(path: Path, message: str | None = None) -> DiskError:
    """Return the error of a user who may not change something; it names who could let him.

    Args:
        path: What was to be changed, or made.
        message: Instead of saying that there is no permission.
    """
    place, owner = _owner(path)
    text = message or _("{path}: no permission").format(path=path)
    hint = _("give yourself the right to write there, or choose another place with HUBFERRY_CACHE")
    if owner is not None:
        text += _("; {place} belongs to {owner}").format(place=place, owner=owner)
        hint = _("ask {owner} for the right to write there, or choose another place with HUBFERRY_CACHE")
        hint = hint.format(owner=owner)
    return DiskError(text, side="cache", path=str(path), hint=hint)


def _owner(path: Path) -> tuple[Path, str | None]:
    """Return what of `path` is there, and whose it is: None for one's own, or where nobody can tell."""
    while path != path.parent and not os.path.lexists(path):
        path = path.parent
    try:
        uid = path.lstat().st_uid
    except OSError:
        return path, None
    if os.name != "posix" or uid == os.geteuid():
        return path, None
    import pwd  # absent on Windows

    try:
        return path, pwd.getpwuid(uid).pw_name
    except KeyError:
        return path, _("user {number}").format(number=uid)


def full(path: Path, needed: int | None) -> DiskFullError:
    """Say that the disk is full, and by how much where `needed` bytes are known."""
    missing = 0
    if needed is not None:
        with suppress(OSError):
            missing = needed - disk.free(nearest_directory(path))
    if missing > 0:
        message = _("{path}: the disk is full, {size} more are needed")
    else:
        message = _("{path}: the disk is full")
    return DiskFullError(
        message.format(path=path, size=readable_size(missing)), side="cache", path=str(path), hint=ROOM
    )
