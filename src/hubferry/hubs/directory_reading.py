"""Read the files that a survey found: what they hash to, and what their content says against copying them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry import entries, findings
from hubferry.entries import Trait
from hubferry.errors import DiskError, HubferryError
from hubferry.events import Note
from hubferry.hubs.directory_records import Reading, Signature, settled
from hubferry.hubs.directory_survey import GONE, changed, pointer, unreadable
from hubferry.i18n import _
from hubferry.model import LARGEST_IN_GIT, RepoFile
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hubferry.events import Listener
    from hubferry.findings import Finding
    from hubferry.hubs.directory_records import Records
    from hubferry.hubs.directory_survey import Entry

_BLOCK = 1 << 20
_AT_ONCE = 4
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""What has become a pipe since it was surveyed must not make the run wait."""
_SILENT_SECONDS = 2.0
_TELL_SECONDS = 5.0


@dataclass(slots=True)
class Found:
    """The files of a folder that may be copied, and what is to be said of the others and of some of these.

    `hashed` is how many bytes had to be read for it.
    """

    files: list[RepoFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    hashed: int = 0


async def look(surveyed: Sequence[Entry], allow: frozenset[str], records: Records, listen: Listener) -> Found:
    """Read what is not recorded, several files at once; whoever cancels need not wait for the end."""
    known = {entry.path: records.find(entry.path, entry.status) for entry in surveyed}
    loop = asyncio.get_running_loop()
    unknown = [entry for entry in surveyed if known[entry.path] is None]
    reader = _Reader(unknown, lambda event: loop.call_soon_threadsafe(listen, event))
    try:
        outcomes = await asyncio.to_thread(reader.read_all)
    finally:
        reader.cancelled.set()
    readings = {path: reading for path, reading in known.items() if reading is not None}
    kept = readings | {one.path: one.reading for one in outcomes if one.reading is not None and one.lasts}
    await asyncio.to_thread(records.keep, kept)
    readings |= {one.path: one.reading for one in outcomes if one.reading is not None}
    found = _judged(surveyed, readings, allow)
    found.findings += [_refusal(one.error) for one in outcomes if one.error is not None]
    found.hashed = reader.done
    return found


def _judged(surveyed: Sequence[Entry], readings: Mapping[str, Reading], allow: frozenset[str]) -> Found:
    found = Found()
    for entry in surveyed:
        if (reading := readings.get(entry.path)) is None:
            continue
        said = list(_said(entry.path, reading.trait, allow))
        found.findings += said
        if all(one.kind is findings.Kind.WARNING for one in said):
            size = reading.signature.size
            file = RepoFile(entry.path, size, sha256=reading.sha256, git_sha1=reading.git_sha1)
            found.files.append(file)
    return found


def _said(path: str, trait: Trait, allow: frozenset[str]) -> Iterator[Finding]:
    """Say what a file's content brings up."""
    if trait is Trait.POINTER and "pointers" not in allow:
        yield findings.refused("lfs-pointer", pointer(path))
    elif trait is Trait.PRIVATE_KEY and "secrets" not in allow:
        message = _("{path} holds a private key").format(path=path)
        yield findings.left_out("secret", message, path)
    elif trait in (Trait.TOKEN, Trait.PRIVATE_KEY):
        message = _("{path} has something in it that looks like a token or a key, and is copied as it is")
        yield findings.warning("token-inside", message.format(path=path), path)


def _refusal(error: HubferryError) -> Finding:
    return findings.refused("unreadable" if isinstance(error, DiskError) else "changed", error)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of reading a file; `lasts` where a later look may believe its stamps."""

    path: str
    reading: Reading | None = None
    lasts: bool = False
    error: HubferryError | None = None


class _Reader:
    """Hash files in threads, and say how far it is where that takes long."""

    def __init__(self, waiting: Sequence[Entry], tell: Callable[[Note], object]) -> None:
        self.cancelled = threading.Event()
        self.done = 0
        self._waiting = waiting
        self._total = sum(entry.status.st_size for entry in waiting)
        self._tell = tell
        self._lock = threading.Lock()
        self._tell_at = time.monotonic() + _SILENT_SECONDS

    def read_all(self) -> list[_Outcome]:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hubferry-folder") as threads:
            return list(threads.map(self._read, self._waiting))

    def _read(self, entry: Entry) -> _Outcome:
        try:
            descriptor = os.open(entry.place, _FLAGS)
            try:
                return self._hash(entry, descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            gone = error.errno in GONE
            return _Outcome(entry.path, error=changed(entry.path) if gone else unreadable(entry.path, error))

    def _hash(self, entry: Entry, descriptor: int) -> _Outcome:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return _Outcome(entry.path, error=changed(entry.path))
        lasts, size = settled(before), before.st_size
        sha256, content = hashlib.sha256(), b""
        sha1 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if size <= LARGEST_IN_GIT else None
        while not self.cancelled.is_set() and (block := os.read(descriptor, _BLOCK)):
            sha256.update(block)
            if sha1 is not None:
                sha1.update(block)
            if size <= entries.READABLE_BYTES:
                content += block
            self._count(len(block))
        signature = Signature.of(before)
        if self.cancelled.is_set() or Signature.of(os.fstat(descriptor)) != signature:
            return _Outcome(entry.path, error=changed(entry.path))
        trait = entries.trait(entry.path, content)
        git_sha1 = sha1.hexdigest() if sha1 is not None else None
        return _Outcome(entry.path, Reading(signature, sha256.hexdigest(), git_sha1, trait), lasts)

    def _count(self, count: int) -> None:
        with self._lock:
            self.done += count
            now = time.monotonic()
            if now < self._tell_at:
                return
            self._tell_at = now + _TELL_SECONDS
            done, total = readable_size(self.done), readable_size(self._total)
        message = _("reading the folder to know what its files are: {done} of {total}; this is remembered")
        self._tell(Note(message.format(done=done, total=total)))
