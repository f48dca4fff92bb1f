"""Read what the cache holds and hash it: what changed, a part that rotates, or everything.

What is compared with is the manifest: what the hub listed when the file came in. Sound files that were only
touched are written down as verified again, wrong ones as in doubt, so that the next fetch replaces them.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from hubferry.cache import manifest, placing
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import disk, disk_errors
from hubferry.cache.layers import only_read
from hubferry.cache.manifest import Doubted, Entry, Signature, Stored, Wrong
from hubferry.cache.names import RECORDS
from hubferry.errors import HubferryError
from hubferry.events import FileDone, FileStarted, Progress, ignore
from hubferry.i18n import N_, _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Record
    from hubferry.events import Listener
    from hubferry.model import Digests

_CURSOR = "verified-up-to"
"""File in a model's records: the last path that a sample hashed, where the next one goes on."""
_LARGEST_CURSOR = 4096
"""A path has fewer bytes."""
_LOCK_SECONDS = 5.0
_MOST_THREADS = 8


@dataclass(frozen=True, slots=True)
class Scope:
    """What to hash, besides what changed since it was verified.

    Attributes:
        full: Everything.
        share: This part of the bytes, 0 to 1, which goes on where the last such run ended.
    """

    full: bool = False
    share: float = 0.0


class Outcome(str, Enum):
    """What reading one file showed."""

    SOUND = "sound"
    BROKEN = "broken"
    MISSING = "missing"
    SKIPPED = "skipped"
    """Untouched since it was verified, and not asked for."""


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file of a verification.

    Attributes:
        path: In the model.
        outcome: What reading it showed.
        size: Bytes.
        said: What is wrong with it, as the catalog has it; empty for nothing.
        words: What fills the blanks of that.
    """

    path: str
    outcome: Outcome
    size: int
    said: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What is wrong, as a phrase that follows the path, in the language of whoever asks."""
        words = {name: _(word) if word else word for name, word in self.words.items()}
        return _(self.said).format(**words) if self.said else ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification of one model found, in path order.

    Attributes:
        directory: The model.
        results: One for each file that the manifest knows.
        known: Whether there is a manifest; without one nothing can be compared.
    """

    directory: Path
    results: tuple[FileResult, ...] = ()
    known: bool = True

    @property
    def broken(self) -> tuple[FileResult, ...]:
        """The files that have to be fetched again."""
        return tuple(one for one in self.results if one.outcome in (Outcome.BROKEN, Outcome.MISSING))

    @property
    def hashed(self) -> int:
        """Bytes of the files that were read."""
        read = (Outcome.SOUND, Outcome.BROKEN)
        return sum(one.size for one in self.results if one.outcome in read)


class _StoppedError(Exception):
    """End the threads of a run that was interrupted."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file as it was read: its digests and signature, or why it has none, as the catalog says it."""

    path: str
    digests: Digests | None = None
    signature: Signature | None = None
    reason: str = ""
    missing: bool = False


def verify(
    directory: Path,
    *,
    scope: Scope | None = None,
    jobs: int | None = None,
    listen: Listener = ignore,
    record: bool = True,
) -> Verification:
    """Hash files of one model and compare them with its manifest.

    Args:
        directory: The model.
        scope: What to hash; what changed unless said otherwise.
        jobs: How many files at once; as many as there are processors unless said otherwise.
        listen: Hears when a file is begun, read on, and done, from several threads.
        record: Whether to write down what was found; nothing is written in the cache of another tool.

    Raises:
        DiskError: The records cannot be read.
    """
    with disk_errors(directory):
        known = manifest.load(directory / RECORDS)
        if known is None:
            return Verification(directory, known=False)
        expected = {path: entry for path, entry in known.files.items() if entry.here or entry.lacking}
        if known.commit:
            expected = {path: entry for path, entry in expected.items() if entry.listed}
        statuses = {path: placing.status_of(directory / path) for path in expected}
        chosen = choose(expected, statuses, scope or Scope(), after=_cursor(directory))
    readings = _read_all(directory, {path: expected[path] for path in chosen}, jobs, listen)
    model = ModelDirectory(directory, known.ref)
    results = {one.path: _compare(expected[one.path], one) for one in readings}
    if record:
        _write_down(model, readings, results, cursor=chosen[-1] if scope and scope.share and chosen else None)
    for path in expected.keys() - results.keys():
        results[path] = FileResult(path, Outcome.SKIPPED, expected[path].size)
    return Verification(directory, tuple(results[path] for path in sorted(results)))


def choose(
    expected: Mapping[str, Entry],
    statuses: Mapping[str, os.stat_result | None],
    scope: Scope,
    *,
    after: str = "",
) -> list[str]:
    """Return the paths to read: what changed or is gone, and what the scope adds, that in turn.

    Args:
        expected: What the manifest knows.
        statuses: What each path looks like now.
        scope: What to read besides.
        after: The path where the last sample ended.
    """
    changed = [path for path, entry in expected.items() if not _is_untouched(entry, statuses[path])]
    rest = sorted(expected.keys() - set(changed))
    if scope.full:
        return changed + rest
    turn = [path for path in rest if path > after] + [path for path in rest if path <= after]
    wanted = scope.share * sum(expected[path].size for path in rest)
    for path in turn:
        if wanted <= 0:
            break
        changed.append(path)
        wanted -= expected[path].size
    return changed


def _is_untouched(entry: Entry, status: os.stat_result | None) -> bool:
    return status is not None and entry.signature is not None and entry.signature.is_of(status)


def _read_all(
    directory: Path, entries: Mapping[str, Entry], jobs: int | None, listen: Listener
) -> list[_Reading]:
    """Read several files at once, the largest first, so that no thread is left with a long one at the end."""
    stop = threading.Event()

    def read(path: str) -> _Reading:
        entry = entries[path]
        listen(FileStarted("verify", path, entry.size))
        reading = _read(directory / path, path, stop, listen, git=not entry.sha256)
        listen(FileDone("verify", path, entry.size))
        return reading

    order = sorted(entries, key=lambda path: -entries[path].size)
    with ThreadPoolExecutor(jobs or min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        futures = [threads.submit(read, path) for path in order]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise


def _read(place: Path, path: str, stop: threading.Event, listen: Listener, *, git: bool) -> _Reading:
    def progress(block: bytes, _offset: int) -> None:
        if stop.is_set():
            raise _StoppedError
        listen(Progress("verify", path, len(block)))

    try:
        hashed = placing.hash_path(place, git=git, also=progress)
        is_file = placing.signature_of(placing.status_of(place)) is not None
    except (FileNotFoundError, NotADirectoryError):
        return _Reading(path, missing=True)
    except OSError as error:
        return _Reading(path, reason=error.strerror or str(error))
    if hashed is not None:
        return _Reading(path, hashed.digests, hashed.signature)
    written = N_("it was written to meanwhile")
    return _Reading(path, reason=written if is_file else N_("it is no regular file"))


def _compare(entry: Entry, reading: _Reading) -> FileResult:
    """Say what a reading showed about a file of which `entry` is known."""
    if reading.missing:
        return FileResult(reading.path, Outcome.MISSING, entry.size, N_("is missing"))
    digests = reading.digests
    if digests is None:
        said, words = N_("cannot be read: {reason}"), {"reason": reading.reason}
    elif digests.size != entry.size:
        said = N_("has {size} bytes, and {expected} were verified")
        words = {"size": str(digests.size), "expected": str(entry.size)}
    elif digests.sha256 != entry.sha256 and (entry.sha256 or digests.git_sha1 != entry.git_sha1):
        said = N_("hashes to {sha256}, and {expected} was verified")
        ours = digests.sha256 if entry.sha256 else digests.git_sha1 or ""
        words = {"sha256": ours[:12], "expected": (entry.sha256 or entry.git_sha1 or "")[:12]}
    else:
        return FileResult(reading.path, Outcome.SOUND, entry.size)
    size = entry.size if digests is None else digests.size
    return FileResult(reading.path, Outcome.BROKEN, size, said, words)


def _write_down(
    model: ModelDirectory,
    readings: Sequence[_Reading],
    results: Mapping[str, FileResult],
    *,
    cursor: str | None,
) -> None:
    """Record what was found; where a run holds the model, or nothing can be written, it is only reported."""
    if only_read(model.path):
        return
    with suppress(HubferryError), model.hold(wait=_LOCK_SECONDS), model.disk_errors():
        known = model.manifest
        changes: list[Record] = []
        for reading in readings:
            entry = known.files.get(reading.path) if known is not None else None
            status = placing.status_of(model.path / reading.path)
            now = None if status is None else Signature.of(status)
            if entry is None or now != reading.signature:  # another run was at it after it was read
                continue
            if results[reading.path].outcome is not Outcome.SOUND:
                changes.append(Doubted(reading.path))
                if reading.digests is not None and reading.signature is not None:
                    changes.append(Wrong(reading.path, reading.signature))
            elif now != entry.signature:
                sha256 = reading.digests.sha256 if reading.digests is not None else entry.sha256
                fresh = Entry(entry.size, sha256, entry.git_sha1, now, entry.listed, entry.wanted)
                changes.append(Stored(reading.path, fresh))
        if changes:
            model.record(changes)
        if cursor is not None:
            _keep_cursor(model.path, cursor)


def _cursor(directory: Path) -> str:
    content = disk.read_record(directory / RECORDS / _CURSOR, _LARGEST_CURSOR)
    return (content or b"").decode(errors="replace")


def _keep_cursor(directory: Path, path: str) -> None:
    temporary = placing.new_name(directory / RECORDS)
    placing.write_all([(temporary, path.encode(errors="surrogateescape"))])
    disk.replace(temporary, directory / RECORDS / _CURSOR)
