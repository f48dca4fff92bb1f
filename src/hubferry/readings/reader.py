"""Hash files where they stand, several at once; whoever cancels need not wait for the end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hubferry import entries
from hubferry.model import LARGEST_IN_GIT
from hubferry.readings.records import Reading, Signature, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_BLOCK = 1 << 20
_AT_ONCE = 4
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""What has become a pipe since it was seen must not make the run wait."""
_SILENT_SECONDS = 2.0
_TELL_SECONDS = 5.0


class Seen(Protocol):
    """A file as it was seen: its name, where it is, what it looked like."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def place(self) -> str | Path: ...  # noqa: D102
    @property
    def status(self) -> os.stat_result: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of reading a file.

    Attributes:
        path: Its name.
        reading: What was read; None where the file changed meanwhile, or could not be read.
        lasts: Whether a later look may believe its stamps.
        failure: Why it could not be read, None where it changed.
    """

    path: str
    reading: Reading | None = None
    lasts: bool = False
    failure: OSError | None = None


async def read(waiting: Sequence[Seen], tell: Callable[[int, int], object]) -> tuple[list[Outcome], int]:
    """Hash files; return what came of each, and how many bytes were read.

    `tell` is called in the event loop with the bytes read and all there are, where that takes long.
    """
    loop = asyncio.get_running_loop()
    reader = _Reader(waiting, lambda done, total: loop.call_soon_threadsafe(tell, done, total))
    try:
        return await asyncio.to_thread(reader.read_all), reader.done
    finally:
        reader.cancelled.set()


class _Reader:
    def __init__(self, waiting: Sequence[Seen], tell: Callable[[int, int], object]) -> None:
        self.cancelled = threading.Event()
        self.done = 0
        self._waiting = waiting
        self._total = sum(file.status.st_size for file in waiting)
        self._tell = tell
        self._lock = threading.Lock()
        self._tell_at = time.monotonic() + _SILENT_SECONDS

    def read_all(self) -> list[Outcome]:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hubferry-reader") as threads:
            return list(threads.map(self._read, self._waiting))

    def _read(self, file: Seen) -> Outcome:
        try:
            descriptor = os.open(file.place, _FLAGS)
            try:
                return self._hash(file, descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            return Outcome(file.path, failure=error)

    def _hash(self, file: Seen, descriptor: int) -> Outcome:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return Outcome(file.path)
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
            return Outcome(file.path)
        trait = entries.trait(file.path, content)
        git_sha1 = sha1.hexdigest() if sha1 is not None else None
        return Outcome(file.path, Reading(signature, sha256.hexdigest(), git_sha1, trait), lasts)

    def _count(self, count: int) -> None:
        with self._lock:
            self.done += count
            now = time.monotonic()
            if now < self._tell_at:
                return
            self._tell_at = now + _TELL_SECONDS
            done = self.done
        self._tell(done, self._total)
