"""Content by its sha256: written once, verified while it lands, never changed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hubferry.serve.disk import make_folder, sync
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_SAMPLE = 512
_PREFIX = 2
_WAITING = "waiting"
"""Where small blobs are whose content need not be on the disk yet: no name of a blob leads there."""
_FEW = 8
"""Blobs that are not worth starting threads for."""
_SYNC_THREADS = 16
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Incoming:
    """A blob that is arriving; nothing of it is visible before `publish` has checked it."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file: BinaryIO = path.open("xb", buffering=0)
        self._digest = hashlib.sha256()
        self._published = False
        self.size = 0

    def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Append pieces. Blocks; call it off the event loop for big ones."""
        for piece in pieces:
            self._digest.update(piece)
            _write_all(self._file, piece)
            self.size += len(piece)

    def publish(self, sha256: str | None = None) -> str:
        """Give the blob its name and return it.

        Raises:
            Refusal: The content does not hash to `sha256`.
        """
        found = self._digest.hexdigest()
        if sha256 is not None and found != sha256:
            raise Refusal(Reason.WRONG_BYTES, f"the content hashes to {found}, not to {sha256}", about=sha256)
        self._file.close()
        self._blobs.take_in(str(self._path), found, self.size)
        self._published = True
        return found

    def set_aside(self) -> Path:
        """Leave what arrived without a name of its own, to be joined with others; return where it is."""
        self._file.close()
        return self._path

    def discard(self) -> None:
        """Forget what arrived; harmless after `publish`."""
        self._file.close()
        if not self._published:
            self._path.unlink(missing_ok=True)


def _write_new(path: str, content: bytes) -> None:
    """Write a small file that is not there yet: there may be thousands in one commit."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _write_all(file: BinaryIO, piece: bytes | bytearray | memoryview) -> None:
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]


class Blobs:
    """The folder of blobs."""

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._waiting: set[str] = set()
        self._on_disk: set[str] = set()
        self._certain: set[str] = set()
        self._root = root / "blobs"
        self._incoming = root / "incoming"
        for folder in (self._root / _WAITING, self._incoming):
            make_folder(folder)
        if durable:
            sync(self._root)  # an earlier process may have ended between making a folder and this
        self._sizes: dict[str, int] = {}

    def clear_incoming(self) -> None:
        """Remove what an earlier run left half received, or received and never put on the disk."""
        for folder in (self._incoming, self._root / _WAITING):
            for path in folder.iterdir():
                path.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where a blob is; only a digest can name one, so no path leaves the folder."""
        return Path(self._waiting_place(sha256) if sha256 in self._waiting else self._place(sha256))

    def _place(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise Refusal(Reason.INVALID, "not a sha256 in lower-case hex")
        return f"{self._root}{os.sep}{sha256[:2]}{os.sep}{sha256}"

    def _waiting_place(self, sha256: str) -> str:
        return f"{self._root}{os.sep}{_WAITING}{os.sep}{sha256}"

    def size(self, sha256: str) -> int | None:
        """Return the bytes of a stored blob, None when there is none."""
        if sha256 in self._sizes:
            return self._sizes[sha256]
        try:
            size = os.stat(self._place(sha256)).st_size  # noqa: PTH116  # thousands in one commit
        except FileNotFoundError:
            return None
        self._sizes[sha256] = size
        return size

    def stored(self) -> Iterator[tuple[str, int, float]]:
        """Yield each blob that has its name, with its bytes and when it came."""
        for folder in sorted(self._root.iterdir()):
            for path in sorted(folder.iterdir()) if len(folder.name) == _PREFIX else ():
                if _SHA256.fullmatch(path.name):
                    found = path.stat()
                    yield path.name, found.st_size, found.st_mtime

    def receive(self) -> Incoming:
        """Open a place for a blob that is about to arrive."""
        return Incoming(self, self._incoming / secrets.token_hex(16))

    def put(self, content: bytes) -> str:
        """Store `content` and return its digest."""
        sha256 = hashlib.sha256(content).hexdigest()
        if self.size(sha256) is None:
            temporary = f"{self._incoming}{os.sep}{secrets.token_hex(16)}"
            try:
                _write_new(temporary, content)
                self._take_in_small(temporary, sha256, len(content))
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)  # noqa: PTH108
                raise
        return sha256

    def put_file(self, path: Path) -> str:
        """Store a copy of a file and return its digest."""
        incoming = self.receive()
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    incoming.write(block)
            return incoming.publish()
        finally:
            incoming.discard()

    def read(self, sha256: str) -> bytes:
        """Return the whole content of a small blob."""
        with self._opened(sha256) as file:
            return file.read()

    def part(self, sha256: str, start: int, count: int) -> bytes:
        """Return at most `count` bytes of a blob from `start` on."""
        with self._opened(sha256) as file:
            file.seek(start)
            return file.read(count)

    def start(self, sha256: str) -> bytes:
        """Return the first bytes of a blob, by which its kind is told."""
        with self._opened(sha256) as file:
            return file.read(_SAMPLE)

    def _opened(self, sha256: str) -> BinaryIO:
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:  # it got its name in between
            return Path(self._place(sha256)).open("rb")

    def take_in(self, temporary: str, sha256: str, size: int) -> None:
        """Give a file that was found to be this blob its name, once its content is on the disk."""
        if self._durable:
            sync(temporary)
            self._on_disk.add(sha256)
        self._name(temporary, sha256)
        self._sizes[sha256] = size

    def _take_in_small(self, temporary: str, sha256: str, size: int) -> None:
        """Keep one of perhaps thousands apart until `sync` waits for the disk for all of them together."""
        if not self._durable:
            self.take_in(temporary, sha256, size)
            return
        os.replace(temporary, self._waiting_place(sha256))  # noqa: PTH105
        self._waiting.add(sha256)
        self._sizes[sha256] = size

    def _name(self, origin: str, sha256: str) -> None:
        place = self._place(sha256)
        folder = Path(place).parent
        if not folder.is_dir():
            make_folder(folder)
        os.replace(origin, place)  # noqa: PTH105

    def sync(self, named: Iterable[str]) -> None:
        """Put blobs on the disk, content and name, before a commit names them; many wait at once.

        What an earlier process received may have a name that is not on the disk yet, so each blob is looked
        after once by every process.
        """
        if not self._durable:
            return
        wanted = sorted({sha256 for sha256 in named if sha256 not in self._certain})
        _at_once(self._sync_content, wanted)
        _at_once(sync, sorted({os.path.dirname(self._place(sha256)) for sha256 in wanted}))  # noqa: PTH120
        self._certain.update(wanted)

    def _sync_content(self, sha256: str) -> None:
        if sha256 not in self._waiting:
            if sha256 not in self._on_disk:
                sync(self._place(sha256))
            return
        waiting = self._waiting_place(sha256)
        try:
            sync(waiting)
            self._name(waiting, sha256)
        except FileNotFoundError:  # another commit that names it was faster
            sync(self._place(sha256))
        self._waiting.discard(sha256)


def _at_once(step: Callable[[str], None], names: Sequence[str]) -> None:
    if len(names) < _FEW:
        for name in names:
            step(name)
        return
    with ThreadPoolExecutor(_SYNC_THREADS) as threads:
        for _done in threads.map(step, names):
            pass
