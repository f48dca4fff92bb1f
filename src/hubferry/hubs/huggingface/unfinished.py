"""Uploads in parts that a run did not finish, for the next one: where the parts go, and which are stored.

The addresses are signed: whoever has them may send that one blob, for a day at the most. So they are sealed
with the token of the account, without which nobody reads them, in a file that only its owner may open, in the
account's own state directory and never in a cache that others share; they go with the upload (docs/adr/0009).
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import TYPE_CHECKING

import msgspec

from hubferry import records
from hubferry.hubs.huggingface.sealing import Seal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SCHEMA = 1
_SUFFIX = ".sealed"
_LARGEST = 64 << 20
"""Bytes of a record: of 10,000 parts with addresses of some kilobytes."""
_KEPT_SECONDS = 2 * 86_400.0
"""Twice as long as the hub's addresses are known to work."""
_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_MORE = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Addresses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an upload goes: its parts in order, where they are joined, where that is reported."""

    parts: list[str]
    part_size: int
    join: str
    verify: str | None = None

    def __repr__(self) -> str:
        """Show no address."""
        return f"Addresses({len(self.parts)} parts)"


class StoredPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part that the storage has: its number from 0, its ETag, the digest of everything up to its end."""

    number: int
    etag: str
    digest: str


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class Remembered:
    """An upload as an earlier run left it; the parts stored are the first ones."""

    addresses: Addresses
    stored: list[StoredPart] = field(default_factory=list)


_head_decoder, _part_decoder = msgspec.json.Decoder(_Head), msgspec.json.Decoder(StoredPart)
_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Unfinished:
    """The uploads of one account. Without a place or a token nothing is remembered."""

    def __init__(self, place: Path | None, token: str | None) -> None:
        """Keep records in `place`, a directory that is made when there is something to keep."""
        self._place = place if token else None
        self._seal = Seal(token or "", "unfinished upload")
        self._names: set[str] | None = None

    def has(self, key: Sequence[object]) -> bool:
        """Return whether there is a record; looked at once, since most runs have none to find."""
        if self._names is None:
            self._names = set()
            if self._place is not None:
                with suppress(OSError):
                    self._names = _swept(self._place)
        path = self._path(key) if self._names else None
        return path is not None and path.name in self._names

    def find(self, key: Sequence[object]) -> Remembered | None:
        """Return what is known of the upload that `key` names, None where that is nothing."""
        path = self._path(key)
        try:
            if path is None or not _is_private(path):
                return None
            # What comes after the last end of a line was being written when the run was killed.
            lines = (records.read(path, _LARGEST) or b"").split(b"\n")[:-1]
            head, *parts = [self._seal.open(line) or b"" for line in lines] or [b""]
            told = _head_decoder.decode(head)
            stored = [_part_decoder.decode(part) for part in parts]
        except _UNREADABLE:
            return None
        # Two runs that send one blob at a time both write what they have stored: it is the same.
        by_number = {part.number: part for part in stored}
        first = [by_number[number] for number in takewhile(by_number.__contains__, count())]
        known = Remembered(told.addresses, first)
        return known if told.schema == _SCHEMA and len(first) <= len(told.addresses.parts) else None

    def begin(self, key: Sequence[object], addresses: Addresses, stored: Sequence[StoredPart] = ()) -> None:
        """Write down where an upload goes, in the place of what was known of it."""
        path = self._path(key)
        if path is None:
            return
        with suppress(OSError):
            path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._write(path, _NEW, [_Head(_SCHEMA, addresses), *stored])

    def stored(self, key: Sequence[object], part: StoredPart) -> None:
        """Write down that the next part is stored."""
        path = self._path(key)
        if path is not None:
            with suppress(OSError):
                self._write(path, _MORE, [part])

    def forget(self, key: Sequence[object]) -> None:
        """Remove what is known: the blob is stored, or the addresses do not work any more."""
        path = self._path(key)
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _path(self, key: Sequence[object]) -> Path | None:
        name = hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:32]
        return self._place / f"{name}{_SUFFIX}" if self._place is not None else None

    def _write(self, path: Path, flags: int, lines: Sequence[msgspec.Struct]) -> None:
        with os.fdopen(os.open(path, flags, _PRIVATE), "ab") as stream:
            stream.writelines(self._seal.close(msgspec.json.encode(line)) + b"\n" for line in lines)


def _is_private(path: Path) -> bool:
    """Return whether a record is a file of ours that nobody else may read or write."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    if not hasattr(os, "geteuid"):  # where the account's own folders are its alone
        return stat.S_ISREG(status.st_mode)
    private = not stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid()
    return stat.S_ISREG(status.st_mode) and private


def _swept(place: Path) -> set[str]:
    """Return the names of the records, after those were removed that are so old that no address works."""
    stale, names = time.time() - _KEPT_SECONDS, set()
    for path in place.glob(f"*{_SUFFIX}"):
        if path.lstat().st_mtime < stale:
            path.unlink(missing_ok=True)
        else:
            names.add(path.name)
    return names
