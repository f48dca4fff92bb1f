"""What the files of a folder hashed to, kept beside the cache: a folder is read once, and left as it is.

A record is believed while the file looks the same in everything that the system says about it. One that is
broken, or cannot be written, is the same as none: the files are hashed again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hubferry import records
from hubferry.entries import Trait  # noqa: TC001 - msgspec reads the annotation
from hubferry.model import Digests

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEMA = 1
_MOST_FOLDERS = 200
_LARGEST, _LARGEST_HEAD = 256 * 1024 * 1024, 1 << 14
"""Bytes of a record: of a million files; what is larger is none of ours."""
_FINE_TICK_NS = 20_000_000
"""Twice the coarsest clock tick (10 ms) by which common kernels stamp files."""
_COARSE_TICK_NS = 2_000_000_000
"""FAT stamps files every two seconds."""
_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Signature(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Tell cheaply whether a file is still the one that was read."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Take the signature of a file that was just described."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


class Reading(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What reading a file once brought up."""

    signature: Signature
    sha256: str
    git_sha1: str | None
    trait: Trait

    @property
    def digests(self) -> Digests:
        """What it hashes to."""
        return Digests(self.signature.size, self.sha256, self.git_sha1)


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """First line of a record: whose it is, so that nobody has to read the rest to know."""

    schema: int
    folder: str


_head_decoder = msgspec.json.Decoder(_Head)
_decoder = msgspec.json.Decoder(dict[str, Reading])


class Records:
    """The readings of one folder. Without a place nothing is remembered."""

    def __init__(self, place: Path | None, folder: Path) -> None:
        """Read what is known about `folder`, whose links are resolved, from a file in `place`."""
        self._head = _Head(_SCHEMA, os.fsencode(folder).decode("utf-8", "backslashreplace"))
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32] + ".json"
        self._path = place / name if place is not None else None
        self._known = self._load()

    def _load(self) -> dict[str, Reading]:
        if self._path is None:
            return {}
        try:
            content = records.read(self._path, _LARGEST)
            head, _line, body = (content or b"").partition(b"\n")
            return _decoder.decode(body) if _head_decoder.decode(head) == self._head else {}
        except _UNREADABLE:
            return {}

    @property
    def known(self) -> dict[str, Reading]:
        """What is remembered, by path, however old."""
        return dict(self._known)

    def find(self, path: str, status: os.stat_result) -> Reading | None:
        """Return what was read of a file that still looks as it did then."""
        reading = self._known.get(path)
        return reading if reading is not None and reading.signature == Signature.of(status) else None

    def keep(self, readings: dict[str, Reading]) -> None:
        """Write down all that is now known; where that is not possible, nothing is."""
        if self._path is None or readings == self._known:
            return
        self._known = readings
        content = msgspec.json.encode(self._head) + b"\n" + msgspec.json.encode(readings)
        temporary = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(self._path)
            finally:
                temporary.unlink(missing_ok=True)
            _sweep(self._path)


def settled(status: os.stat_result) -> bool:
    """Wait out the clock tick in which a file was written; return whether its stamps can then be believed.

    Written once more within the same tick it would look the same. Stamps from the future say nothing.
    """
    for stamp in (status.st_mtime_ns, status.st_ctime_ns):
        tick = _FINE_TICK_NS if stamp % 1_000_000_000 else _COARSE_TICK_NS
        left = stamp + tick - time.time_ns()
        if left > tick:
            return False
        if left > 0:
            time.sleep(left / 1_000_000_000)
    return True


def _sweep(kept: Path) -> None:
    """Remove the records of folders that are gone, what killed runs left, and the oldest above a number."""
    others = [path for path in kept.parent.iterdir() if path != kept]
    living = [path for path in others if path.suffix == ".json" and _is_living(path)]
    stale = time.time() - 3600
    doomed = [
        path
        for path in others
        if path not in living and (path.suffix == ".json" or path.stat().st_mtime < stale)
    ]
    living.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    _remove([*doomed, *living[_MOST_FOLDERS - 1 :]])


def _is_living(path: Path) -> bool:
    try:
        head = _head_decoder.decode(_first_line(path))
        return Path(head.folder).is_dir()
    except _UNREADABLE:
        return False


def _first_line(path: Path) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode):
        return b""
    with path.open("rb") as stream:
        return stream.readline(_LARGEST_HEAD)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
