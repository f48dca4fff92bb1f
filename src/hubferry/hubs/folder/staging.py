"""Where blobs for a folder lie until a commit names them: beside it, on its disk, held by one run at a time.

`.hubferry/incoming` of the folder has a lock, blobs under their digests and files that are being written. A
run that was killed leaves its blobs to the next one; a run that ends well leaves nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hubferry.hubs.folder.source import OWN_FOLDER
from hubferry.locking import LOCK, SOFT_LOCK, try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from hubferry.locking import Lock
    from hubferry.model import Blob

_WRITING = ".part"
_PIECE = 1 << 20


class Staging:
    """The place for one folder's blobs."""

    def __init__(self, root: Path) -> None:
        """Prepare; nothing is there before `take`."""
        self._root = root
        self.place = root / OWN_FOLDER / "incoming"
        self._lock: Lock | None = None
        self._ours: set[str] = set()
        self._placed: dict[str, Path] = {}
        self._writes = False
        self._made = False
        self.committed = False
        """Whether a commit was made: what is left after it, and waits for no other, is nobody's."""

    def take(self) -> bool:
        """Make it ours for writing unless another run has it; return whether it is.

        Raises:
            OSError: It cannot be made, or is a link to somewhere else.
        """
        if self._lock is None:
            self._made = self._made or not self._root.exists()
            self._root.mkdir(parents=True, exist_ok=True)
            for folder in (self.place.parent, self.place):
                with suppress(FileExistsError):
                    folder.mkdir()
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
            self._lock = _locked(self.place)
        if self._lock is not None and not self._writes:
            self._writes = True
            self._remove(lambda name: name.endswith(_WRITING))
        return self._lock is not None

    def take_what_is_left(self) -> bool:
        """Make ours what an interrupted run left, if there is any; nothing is created."""
        if self._lock is None and any((self.place / name).is_file() for name in (LOCK, SOFT_LOCK)):
            with suppress(OSError):
                self._lock = _locked(self.place)
        return self._lock is not None

    def has(self, blob: Blob) -> bool:
        """Return whether a blob of that name and size is here; whether it is whole, `proven` says."""
        try:
            return (self.place / blob.sha256).lstat().st_size == blob.size
        except FileNotFoundError:
            return False

    def proven(self, sha256: str) -> bool:
        """Return whether a blob is here and whole; one that an earlier run left is read for that."""
        path = self.place / sha256
        if sha256 not in self._ours and path.is_file():
            if _digest(path) == sha256:
                self._ours.add(sha256)
            else:
                path.unlink()
        return sha256 in self._ours

    @contextmanager
    def writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Give a new file, which is on the disk when this ends well and gone when it does not."""
        path = self.place / (secrets.token_hex(8) + _WRITING)
        try:
            with path.open("xb") as stream:
                yield stream, path
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def keep(self, written: Path, sha256: str) -> None:
        """Give a written file, whose content has been proven, the name of a blob."""
        written.replace(self.place / sha256)
        self._ours.add(sha256)

    def take_out(self, sha256: str) -> Path | None:
        """Return a proven file of this content that may be moved away; None where there is none.

        The first who asks gets the blob, whoever comes later a copy of what became of it.
        """
        if sha256 in self._placed:
            return self._copied(sha256)
        return self.place / sha256 if self.proven(sha256) else None

    def placed(self, sha256: str, target: Path) -> None:
        """Say where the content of a blob went."""
        self._placed.setdefault(sha256, target)

    def _copied(self, sha256: str) -> Path | None:
        with self._placed[sha256].open("rb") as origin, self.writing() as (stream, path):
            shutil.copyfileobj(origin, stream, _PIECE)
        if _digest(path) == sha256:
            return path
        path.unlink()
        return None

    def leave(self) -> None:
        """Let go of it; blobs stay only for the run that comes after one that was broken off."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        with suppress(OSError):
            if self._writes:
                over = self.committed and self._ours <= set(self._placed)
                self._remove(lambda name: over or name.endswith(_WRITING))
        empty = self._writes and not self._blobs()
        if empty and os.name != "nt":
            with suppress(OSError):
                (self.place / LOCK).unlink()  # while it is ours: the next one makes its own
        lock.release()
        if empty:
            self.tidy()

    def _blobs(self) -> list[str]:
        with suppress(OSError):
            return [entry.name for entry in self.place.iterdir() if not entry.name.startswith(LOCK)]
        return []

    def _remove(self, which: Callable[[str], bool]) -> None:
        for name in filter(which, self._blobs()):
            (self.place / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove our folders where they are empty; one in which another run begins, it makes again."""
        with suppress(OSError):
            if os.name == "nt":
                (self.place / LOCK).unlink(missing_ok=True)
            self.place.rmdir()
        with suppress(OSError):
            self.place.parent.rmdir()
            if self._made:
                self._root.rmdir()


def sweep(root: Path) -> None:
    """Remove what interrupted runs left in a folder that needs nothing any more, unless a run is at it."""
    staging = Staging(root)
    with suppress(OSError):  # a folder that is only read stays as it is
        if staging.take_what_is_left() and staging.take():
            staging.committed = True
            staging.leave()
        else:
            staging.tidy()


def move(origin: Path, target: Path) -> None:
    """Give a file its final name with the mode and owner that belong there; whole, or not at all."""
    try:
        _dress(origin, target)
        origin.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # a folder of another disk may be mounted inside
            raise
        _move_across(origin, target)


def _move_across(origin: Path, target: Path) -> None:
    beside = target.parent / f".hubferry-{secrets.token_hex(8)}{_WRITING}"
    try:
        with origin.open("rb") as stored, beside.open("xb") as stream:
            shutil.copyfileobj(stored, stream, _PIECE)
            stream.flush()
            os.fsync(stream.fileno())
        _dress(beside, target)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    origin.unlink()


def _dress(origin: Path, target: Path) -> None:
    """Give a new file what the one that it replaces has, or else the group that its folder hands on."""
    try:
        old = target.lstat()
    except FileNotFoundError:
        old = None
    if old is not None and stat.S_ISREG(old.st_mode):
        _give(origin, old.st_uid, old.st_gid)
        origin.chmod(stat.S_IMODE(old.st_mode))
        return
    folder = target.parent.stat()
    if folder.st_mode & stat.S_ISGID:
        _give(origin, -1, folder.st_gid)


def _give(path: Path, user: int, group: int) -> None:
    """Hand a file over as far as this account may."""
    now = path.stat()
    if os.name == "nt" or (user in (-1, now.st_uid) and group == now.st_gid):
        return
    with suppress(PermissionError):
        os.chown(path, user, group)


def _locked(place: Path) -> Lock | None:
    """Take the lock of a place; None where another run has it."""
    try:
        return try_lock(place)
    except FileNotFoundError:  # whoever had it is just removing the place
        return None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", 0) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
