"""Content by its sha256: written once, verified while it lands, never changed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING, BinaryIO

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from pathlib import Path

_SAMPLE = 512
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Incoming:
    """A blob that is arriving; nothing of it is visible before `publish` has checked it."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file: BinaryIO = path.open("xb", buffering=0)
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Append pieces. Blocks; call it off the event loop for big ones."""
        for piece in pieces:
            self._digest.update(piece)
            view = memoryview(piece)
            while view:
                view = view[self._file.write(view) :]
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
        target = self._blobs.path(found)
        target.parent.mkdir(exist_ok=True)
        self._path.replace(target)
        self._blobs.published(found)
        return found

    def discard(self) -> None:
        """Forget what arrived; harmless after `publish`."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    """The folder of blobs."""

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._unsynced: set[str] = set()
        self._root = root / "blobs"
        self._incoming = root / "incoming"
        self._root.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        self._sizes: dict[str, int] = {}

    def clear_incoming(self) -> None:
        """Remove what an earlier run left half received."""
        for path in self._incoming.iterdir():
            path.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where a blob is; only a digest can name one, so no path leaves the folder."""
        if not _SHA256.fullmatch(sha256):
            raise Refusal(Reason.INVALID, "not a sha256 in lower-case hex")
        return self._root / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """Return the bytes of a stored blob, None when there is none."""
        if sha256 in self._sizes:
            return self._sizes[sha256]
        try:
            size = self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None
        self._sizes[sha256] = size
        return size

    def receive(self) -> Incoming:
        """Open a place for a blob that is about to arrive."""
        return Incoming(self, self._incoming / secrets.token_hex(16))

    def put(self, content: bytes) -> str:
        """Store `content` and return its digest."""
        sha256 = hashlib.sha256(content).hexdigest()
        if self.size(sha256) is None:
            incoming = self.receive()
            try:
                incoming.write(content)
                incoming.publish(sha256)
            finally:
                incoming.discard()
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
        return self.path(sha256).read_bytes()

    def start(self, sha256: str) -> bytes:
        """Return the first bytes of a blob, by which its kind is told."""
        with self.path(sha256).open("rb") as file:
            return file.read(_SAMPLE)

    def published(self, sha256: str) -> None:
        """Remember that a blob may still be in the system's memory only."""
        if self._durable:
            self._unsynced.add(sha256)

    def sync(self, sha256: str) -> None:
        """Put a blob on the platter before a commit names it."""
        if sha256 not in self._unsynced:
            return
        descriptor = os.open(self.path(sha256), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._unsynced.discard(sha256)
