"""Blobs in parts, as an object storage takes them: received in any order, joined when their sender says so.

Facts: S3's CompleteMultipartUpload (InvalidPart, InvalidPartOrder, NoSuchUpload; an ETag is the part's MD5);
huggingface_hub/lfs.py (`_upload_multi_part`: `chunk_size` and numbered addresses, then `{oid, parts}`).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.serve.blobs import Blobs

MOST_PARTS = 10_000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that is on the disk; `etag` names its content as the storage does."""

    etag: str
    path: Path


@dataclass(slots=True)
class PartUpload:
    """One blob on its way in parts.

    Attributes:
        sha256: What the joined parts must hash to.
        size: Bytes of the blob.
        part_bytes: Bytes of each part but the last.
        until: When the addresses stop working, in seconds since 1970.
        parts: What has been stored, by number from 1.
    """

    sha256: str
    size: int
    part_bytes: int
    until: float
    parts: dict[int, StoredPart] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many parts there are to be."""
        return -(-self.size // self.part_bytes)

    def length(self, number: int) -> int:
        """Return the bytes of a part."""
        return min(self.part_bytes, self.size - (number - 1) * self.part_bytes)


class PartUploads:
    """The uploads of one hub; they end with its process, as blobs that are arriving do."""

    def __init__(self) -> None:
        self._uploads: dict[str, PartUpload] = {}

    def begin(self, sha256: str, size: int, part_bytes: int, lifetime: float) -> tuple[str, PartUpload]:
        """Open an upload; return its name and itself.

        Raises:
            Refusal: It would have more parts than an upload may have.
        """
        now = time.time()
        for name in [name for name, upload in self._uploads.items() if upload.until < now]:
            self.forget(name)
        upload = PartUpload(sha256, size, part_bytes, now + lifetime)
        if upload.count > MOST_PARTS:
            raise Refusal(Reason.TOO_LARGE, f"More than {MOST_PARTS} parts", about=sha256)
        name = secrets.token_hex(16)
        self._uploads[name] = upload
        return name, upload

    def find(self, name: str) -> PartUpload:
        """Return an upload that is under way.

        Raises:
            Refusal: There is none of this name, or it was joined already.
        """
        if name not in self._uploads:
            raise Refusal(Reason.ENTRY_MISSING, "NoSuchUpload: The specified upload does not exist")
        return self._uploads[name]

    def forget(self, name: str) -> None:
        """End an upload, and remove what came of it."""
        upload = self._uploads.pop(name, None)
        for part in upload.parts.values() if upload is not None else ():
            part.path.unlink(missing_ok=True)

    def keep(self, name: str, number: int, part: StoredPart) -> None:
        """Take in a part that arrived whole, in place of an earlier one."""
        upload = self._uploads.get(name)
        if upload is None:
            part.path.unlink(missing_ok=True)
            self.find(name)
            return
        earlier = upload.parts.get(number)
        upload.parts[number] = part
        if earlier is not None:
            earlier.path.unlink(missing_ok=True)

    def join(self, name: str, named: Sequence[tuple[int, str]], blobs: Blobs) -> None:
        """Make the blob of its parts, and end the upload; blocks.

        Raises:
            Refusal: A part is missing, out of order or another one, or the whole is not what it should be.
        """
        upload = self.find(name)
        chosen = _chosen(upload, named)
        incoming = blobs.receive()
        try:
            for part in chosen:
                with part.path.open("rb") as file:
                    while block := file.read(_BLOCK):
                        incoming.write(block)
            self.forget(name)
            incoming.publish(upload.sha256)
        finally:
            incoming.discard()


def _chosen(upload: PartUpload, named: Sequence[tuple[int, str]]) -> list[StoredPart]:
    numbers = [number for number, _etag in named]
    if not named:
        raise Refusal(Reason.INVALID, "MalformedXML: You must specify at least one part")
    if numbers != sorted(set(numbers)):
        raise Refusal(Reason.INVALID, "InvalidPartOrder: The list of parts was not in ascending order")
    chosen = []
    for number, etag in named:
        part = upload.parts.get(number)
        if part is None or part.etag != etag.strip('"'):
            raise Refusal(
                Reason.INVALID,
                f"InvalidPart: Part {number} could not be found, or its entity tag does not match",
            )
        chosen.append(part)
    return chosen


def new_etag() -> hashlib._Hash:
    """Return the hash by which a storage names a part."""
    return hashlib.md5(usedforsecurity=False)
