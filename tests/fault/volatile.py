"""A disk that forgets at a power cut what nobody made durable, in every order that POSIX allows.

The files are real, so that whoever reads sees what was written. Beside them a model remembers what each
fsync made durable: of a file its bytes and length, of a directory its names. `cut` then leaves of everything
else a random part: writes dropped, torn at sectors, lengths without their bytes, names that vanished or came
back, each for itself. A file keeps its inode and its time, so that records about it look true.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disk_faults import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_SECTOR = 512


class PowerCut(BaseException):
    """Nothing works any more."""


@dataclass
class File:
    """One inode: what is durable of it, and what was done since."""

    durable: bytes
    mtime: int
    since: list[tuple[int, bytes] | int] = field(default_factory=list)
    """Writes (offset, bytes), or a length the file was cut to."""


@dataclass
class Directory:
    """Which names are durable, and which were given (an inode) or taken (None) since, step by step."""

    durable: dict[str, int] = field(default_factory=dict)
    since: list[dict[str, int | None]] = field(default_factory=list)


class VolatileDisk:
    """Everything below `top`, until the power goes at the operation `cut_at`.

    Args:
        top: An existing directory; what is in it is durable.
        attic: On the same filesystem; keeps inodes alive whose names are gone.
        chance: Decides what survives.
        cut_at: Which operation is the first that does not happen any more.
        lies: Operations of this disk that only pretend, such as "fsync".
    """

    def __init__(
        self, top: Path, attic: Path, chance: Random, cut_at: int, *, lies: tuple[str, ...] = ()
    ) -> None:
        self.top = top
        self.attic = attic
        self.chance = chance
        self.cut_at = cut_at
        self.lies = lies
        self.reached = 0
        self.off = False
        self._files: dict[int, File] = {}
        self._directories: dict[int, Directory] = {}
        self._descriptors: dict[int, int] = {}
        self._kept: list[int] = []
        self._one_at_a_time = threading.RLock()
        attic.mkdir()
        self._learn(top)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        with replaced(self._wrap):
            yield

    def _wrap(self, name: str, honest: Callable[..., Any]) -> Callable[..., Any]:
        record = getattr(self, f"on_{name}", None)

        def operation(*arguments: Any, **keywords: Any) -> Any:
            with self._one_at_a_time:
                if name == "close":
                    self._descriptors.pop(arguments[0], None)
                    return honest(*arguments)
                self.reached += 1
                self.off = self.off or self.reached >= self.cut_at
                if self.off:
                    raise PowerCut
                if name in self.lies:
                    return None
                return record(honest, *arguments, **keywords) if record else honest(*arguments, **keywords)

        return operation

    def _learn(self, directory: Path) -> int:
        """Take in what is there already, as durable; return the directory's inode."""
        known = Directory()
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                known.durable[entry.name] = self._learn(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                known.durable[entry.name] = self._keep(Path(entry.path), Path(entry.path).read_bytes())
        return self._know(directory, known)

    def _know(self, path: Path, directory: Directory) -> int:
        """Remember a directory, and keep its inode from being given to another while it may come back."""
        self._kept.append(os.open(path, os.O_RDONLY))
        inode = path.stat().st_ino
        self._directories[inode] = directory
        return inode

    def _keep(self, path: Path, durable: bytes) -> int:
        status = path.stat()
        if status.st_ino not in self._files:
            self._files[status.st_ino] = File(durable, status.st_mtime_ns)
            os.link(path, self.attic / str(status.st_ino))
        return status.st_ino

    def _name(self, path: Path, inode: int | None) -> None:
        parent = self._directories.get(path.parent.stat().st_ino)
        if parent is not None:  # else it is outside of this disk
            parent.since.append({path.name: inode})

    # the operations that change something

    def on_open(self, honest: Callable[..., int], path: Path, flags: int, mode: int = 0o666) -> int:
        existed = path.exists()
        descriptor = honest(path, flags, mode)
        if path.is_relative_to(self.top):
            inode = self._keep(path, path.read_bytes() if existed else b"")
            self._descriptors[descriptor] = inode
            if not existed:
                self._name(path, inode)
        return descriptor

    def on_pwrite_all(self, honest: Callable[..., int], descriptor: int, pieces: Any, offset: int) -> int:
        data = b"".join(bytes(piece) for piece in pieces)
        self._of(descriptor).since.append((offset, data))
        return honest(descriptor, [data], offset)

    def on_append(self, honest: Callable[..., None], descriptor: int, data: bytes) -> None:
        self._of(descriptor).since.append((os.fstat(descriptor).st_size, data))
        honest(descriptor, data)

    def on_truncate(self, honest: Callable[..., None], descriptor: int, size: int) -> None:
        self._of(descriptor).since.append(size)
        honest(descriptor, size)

    def on_fsync(self, _honest: object, descriptor: int) -> None:
        inode = self._descriptors.get(descriptor)
        if inode is not None:
            file = self._files[inode]
            file.durable = (self.attic / str(inode)).read_bytes()
            file.mtime = os.fstat(descriptor).st_mtime_ns
            file.since.clear()

    def on_fsync_directory(self, _honest: object, path: Path) -> None:
        directory = self._directories.get(path.stat().st_ino)
        if directory is not None:
            directory.durable = _names(directory.durable, directory.since)
            directory.since.clear()

    def on_replace(self, honest: Callable[..., None], source: Path, target: Path) -> None:
        inode = source.lstat().st_ino
        honest(source, target)
        self._name(source, None)
        self._name(target, inode)

    def on_exchange(self, honest: Callable[..., None], one: Path, other: Path) -> None:
        """Exchange two names of one directory: the filesystem knows both or neither."""
        changed = {one.name: other.lstat().st_ino, other.name: one.lstat().st_ino}
        honest(one, other)
        self._directories[one.parent.stat().st_ino].since.append(changed)

    def on_link(self, honest: Callable[..., None], origin: Path, target: Path) -> None:
        honest(origin, target)
        self._name(target, self._keep(origin, origin.read_bytes()))

    def on_reflink(self, _honest: object, *_descriptors: int) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def on_unlink(self, honest: Callable[..., None], path: Path, *, missing_ok: bool = False) -> None:
        existed = path.is_symlink() or path.exists()
        honest(path, missing_ok=missing_ok)
        if existed:
            self._name(path, None)

    def on_mkdir(self, honest: Callable[..., None], path: Path) -> None:
        honest(path)
        self._name(path, self._know(path, Directory()))

    def on_rmdir(self, honest: Callable[..., None], path: Path) -> None:
        honest(path)
        self._name(path, None)

    def on_remove_tree(self, honest: Callable[..., None], path: Path) -> None:
        """Each name below goes by itself, so that some may be gone whose tree has its old name again."""
        for found in path.rglob("*"):
            self._name(found, None)
        honest(path)
        self._name(path, None)

    def _of(self, descriptor: int) -> File:
        return self._files[self._descriptors[descriptor]]

    # the cut

    def cut(self) -> None:
        """Let the power go: leave below `top` what is durable, and a random part of what is not."""
        self.off = True
        survival = self.chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        root = self.top.stat().st_ino
        for entry in list(os.scandir(self.top)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink()
        self._restore(self.top, root, survival, set())
        self.let_go()

    def let_go(self) -> None:
        """Forget what would come back: after a cut, or where there is none."""
        while self._kept:
            os.close(self._kept.pop())
        shutil.rmtree(self.attic)

    def _restore(self, place: Path, inode: int, survival: float, done: set[int]) -> None:
        directory = self._directories[inode]
        kept = [one for one in directory.since if self.chance.random() < survival]
        for name, below in _names(directory.durable, kept).items():
            if below in self._directories:
                (place / name).mkdir()
                self._restore(place / name, below, survival, done)
                continue
            os.link(self.attic / str(below), place / name)
            if below not in done and self._files[below].since:
                done.add(below)
                self._damage(place / name, self._files[below], survival)

    def _damage(self, path: Path, file: File, survival: float) -> None:
        content = bytearray(file.durable)
        for one in file.since:
            if isinstance(one, int):
                if self.chance.random() < survival:
                    content = content[:one].ljust(one, b"\0")
                continue
            self._write(content, *one, survival)
        mtime = self.chance.choice((file.mtime, path.stat().st_mtime_ns))
        path.write_bytes(content)
        os.utime(path, ns=(mtime, mtime))

    def _write(self, content: bytearray, offset: int, data: bytes, survival: float) -> None:
        """Let a write survive whole, in sectors, as a length of zeros, or not at all."""
        stop = offset + len(data)
        fate = self.chance.choice(("whole", "torn", "length", "nothing")) if survival < 1 else "whole"
        if fate == "nothing" or self.chance.random() >= survival:
            return
        content.extend(bytes(max(0, stop - len(content))))
        for start in range(offset, stop, _SECTOR) if fate != "length" else ():
            if fate == "whole" or self.chance.random() < 0.5:
                end = min(start + _SECTOR, stop)
                content[start:end] = data[start - offset : end - offset]


def _names(durable: dict[str, int], since: list[dict[str, int | None]]) -> dict[str, int]:
    names = dict(durable)
    for name, inode in (one for step in since for one in step.items()):
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
    return names
