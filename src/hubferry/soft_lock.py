"""A lock that is a file, for filesystems on which the kernel has none: it is held while the file is there.

The file names its holder, who gives a sign of life every INTERVAL: it touches the file. A holder that is seen
to be dead, because it ran in this very system, is followed at once; any other once its file has not changed
for PATIENCE, by the follower's own clock: the clocks of two machines are never compared. A holder of an older
version gives no sign, and is not followed from another machine.

Whoever follows first takes a lock beside it that is named after the one that was left, then gives that the
name of the lock: of all that wait one does so, however slow it is, and if it dies as well, its own lock is
followed in the same way. A holder that comes back after it was given up finds another's name in the file.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hubferry import records

INTERVAL = 15.0
"""Seconds between two signs of life."""
PATIENCE = 120.0
"""Seconds without one after which a holder is given up: NFS may show what it saw a minute ago."""
_LARGEST = 1024
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_START_FIELD = 19
"""Of `/proc/<pid>/stat`, behind the name in parentheses: when the process began, in ticks since the boot."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a lock's file looked like; `content` is None for something that is no such file."""

    content: bytes | None
    mtime_ns: int
    inode: int


_watched: dict[str, tuple[_Seen, float]] = {}
"""By path, what was seen there last, and since when it has been so, by this process's clock."""


class SoftLock:
    """A lock that this process holds."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Hold what was just made, and begin to give signs of life."""
        self.path = path
        self._content = content
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, name=f"lock {path}", daemon=True)
        self._beating.start()

    @property
    def is_ours(self) -> bool:
        """Whether the file still is the one that this process made; nobody else has given it up."""
        with suppress(OSError):
            return records.read(self.path, _LARGEST) == self._content
        return False

    def release(self) -> None:
        """Give it back, unless somebody else has it by now; what cannot be removed is followed in time."""
        self._over.set()
        self._beating.join()
        if self.is_ours:
            with suppress(OSError):
                self.path.unlink()

    def follow(self, path: Path, left: _Seen) -> bool:
        """Take the name of a lock that was left, unless it is another by now; return whether that is done."""
        if _see(path) != left:
            return False
        try:
            self.path.replace(path)
        except FileNotFoundError:
            return False
        self.path = path
        return True

    def _beat(self) -> None:
        while not self._over.wait(INTERVAL):
            with suppress(OSError):  # a sign that cannot be given is given in its next turn
                if self.is_ours:
                    os.utime(self.path)


def take(path: Path) -> SoftLock | None:
    """Take the lock whose file is `path` without waiting; None where somebody has it.

    Asking again and again is how a holder that gives no sign of life is found out.

    Raises:
        OSError: It cannot be made.
    """
    content = _name_of_ours()
    try:
        descriptor = os.open(path, _FLAGS, 0o666)
    except FileExistsError:
        left = _left(path)
        return None if left is None else _take_over(path, left)
    try:
        os.write(descriptor, content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return SoftLock(path, content)


def gives_signs(path: Path) -> bool:
    """Return whether the holder of a lock gives signs of life, or is none that anybody has to wait for."""
    seen = _see(path)
    holder = None if seen is None else _Holder.of(seen.content)
    return holder is None or holder.gives_signs


def _take_over(path: Path, left: _Seen) -> SoftLock | None:
    """Follow a holder that is gone; of all that try at once one succeeds."""
    identity = (left.content or b"") + str(left.inode).encode()
    claim = take(path.with_name(f"{path.name}.{hashlib.sha256(identity).hexdigest()[:16]}"))
    if claim is None:
        return None
    try:
        if claim.follow(path, left):
            _watched.pop(str(path), None)
            return claim
    except BaseException:
        claim.release()
        raise
    claim.release()
    return None


def _left(path: Path) -> _Seen | None:
    """Return what is at `path` if whoever made it is gone."""
    seen = _see(path)
    if seen is None:
        _watched.pop(str(path), None)
        return None
    before, since = _watched.get(str(path), (None, 0.0))
    if seen != before:
        since = time.monotonic()
        _watched[str(path)] = (seen, since)
    holder = _Holder.of(seen.content)
    alive = None if holder is None else holder.is_alive()
    if alive is None and (holder is None or holder.gives_signs):
        alive = time.monotonic() - since < PATIENCE
    return None if alive is not False else seen


def _see(path: Path) -> _Seen | None:
    """Return what a lock's file looks like now, None where there is none.

    It is opened, for which a network filesystem asks its server anew.
    """
    with suppress(FileNotFoundError):
        content = records.read(path, _LARGEST)
        status = path.lstat()
        return _Seen(content, status.st_mtime_ns, status.st_ino)
    return None


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who made a lock's file; without a `system` it was an older version, which gives no signs of life."""

    pid: int
    host: str
    system: str
    began: int | None

    @classmethod
    def of(cls, content: bytes | None) -> _Holder | None:
        """Read what a file says: two or three lines, as `filelock` wrote them; None for anything else."""
        with suppress(ValueError):
            pid, host, *rest = (content or b"").decode().split()
            host, *ours = host.split("/")
            return cls(int(pid), host, ours[0] if ours else "", int(rest[0]) if rest else None)
        return None

    @property
    def gives_signs(self) -> bool:
        """Whether the version that made the file gives signs of life."""
        return self.system != ""

    def is_alive(self) -> bool | None:
        """Return whether the process lives; None where this system cannot know."""
        if self.host != _host() or self.system not in ("", _system()) or sys.platform == "win32":
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            return True
        began = _began(self.pid)
        return self.began is None or began is None or began == self.began


def _name_of_ours() -> bytes:
    """Return what this process writes into a lock's file: its name, and a number that no other lock has."""
    return _name_of(os.getpid())


def _name_of(pid: int) -> bytes:
    began = _began(pid)
    lines = [
        str(pid),
        f"{_host()}/{_system()}/{secrets.token_hex(8)}",
        *([] if began is None else [str(began)]),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _host() -> str:
    name = socket.gethostname()
    return (
        "".join(one if one.isascii() and one.isprintable() and one not in " /?" else "?" for one in name)
        or "?"
    )


@cache
def _system() -> str:
    """Return what tells whether a process's number here means the same there: a boot, and a PID namespace."""
    try:
        return f"{_boot():032x}.{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - not a file
    except OSError:
        return sys.platform


@cache
def _boot() -> int:
    with suppress(OSError, ValueError):
        return int(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").replace("-", ""), 16)
    return 0


def _began(pid: int) -> int | None:
    """Return when a process began, and the boot it began in: its number may be given again, this is not."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
        return _boot() << 64 | int(line[line.rindex(b")") + 1 :].split()[_START_FIELD])
    except (OSError, ValueError, IndexError):
        return None


def this_process() -> str:
    """Return words that tell this process from every other, for `is_alive` to read, also later."""
    return _name_of_ours().decode()


def process_of(pid: int) -> str:
    """Return for a child of this process what `this_process` would return in it."""
    return _name_of(pid).decode()


def is_alive(process: str) -> bool | None:
    """Return whether the process that `this_process` named lives; None where this system cannot know."""
    holder = _Holder.of(process.encode(errors="replace"))
    return None if holder is None else holder.is_alive()
