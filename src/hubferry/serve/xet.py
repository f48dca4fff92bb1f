"""Xet for clients on the same machine: a folder in place of the chunk server, so that the real `hf_xet` runs.

    <root>/xet/shared/xet/xorbs/{xorbs,shards}/     what clients upload, in hf_xet's own formats
    <root>/xet/views/<random>/xet/xorbs/...         the same through links, with an index of its own

A process that uses a folder locks its index for as long as it lives. Uploaders share the one folder, so one
process at a time can upload; every reader gets a view of its own.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hubferry.serve.blobs import Blobs

    ReadXet = Callable[[str, str, int], Iterator[bytes]]

_INDEX = "global_dedup_lookup.redb"
_RECORD = 48  # every record of a shard has this many bytes (xet-core, mdb_shard/file_structs.rs)
_VERIFICATION, _METADATA = 1 << 31, 1 << 30
_VIEWS_KEPT = 200


@dataclass(frozen=True, slots=True)
class XetFile:
    """A file as the chunked storage knows it: its Merkle hash and its bytes."""

    hash: str
    size: int


class XetStorage:
    """The folder that stands in for the chunk server.

    Args:
        root: The hub's store.
        read: Yields a file's content, given a `local://` address, the file's Merkle hash and its size.
    """

    def __init__(self, root: Path, read: ReadXet) -> None:
        self._shared = root / "xet" / "shared"
        self._views = root / "xet" / "views"
        self._read = read
        self._files: dict[str, XetFile] = {}
        self._parsed: set[str] = set()
        self._lock = threading.Lock()
        shutil.rmtree(self._views, ignore_errors=True)  # the readers of an earlier run are gone
        for name in ("xorbs", "shards"):
            (self._data / name).mkdir(parents=True, exist_ok=True)
        self._views.mkdir()

    @property
    def _data(self) -> Path:
        return self._shared / "xet" / "xorbs"

    @property
    def upload_address(self) -> str:
        """Where clients upload."""
        return f"local://{self._shared.resolve()}"

    def download_address(self) -> str:
        """Return a view of everything uploaded so far, for one reader."""
        view = self._views / secrets.token_hex(8)
        folder = view / "xet" / "xorbs"
        folder.mkdir(parents=True)
        for name in ("xorbs", "shards"):
            (folder / name).symlink_to((self._data / name).resolve(), target_is_directory=True)
        if (self._data / _INDEX).exists():
            shutil.copyfile(self._data / _INDEX, folder / _INDEX)
        for old in sorted(self._views.iterdir(), key=lambda path: path.stat().st_mtime)[:-_VIEWS_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return f"local://{view.resolve()}"

    def find(self, sha256: str) -> XetFile | None:
        """Return the file of a digest, None when no client has uploaded it this way."""
        with self._lock:
            for path in (self._data / "shards").glob("*.mdb"):
                if path.name not in self._parsed:
                    self._files.update(files_of_shard(path.read_bytes()))
                    self._parsed.add(path.name)
            return self._files.get(sha256)

    def receive(self, file: XetFile, sha256: str, blobs: Blobs) -> None:
        """Copy a file to the blobs, so that clients without Xet find it too.

        Raises:
            Refusal: It does not hash to `sha256`.
        """
        incoming = blobs.receive()
        try:
            for block in self._read(self.download_address(), file.hash, file.size):
                incoming.write(block)
            incoming.publish(sha256)
        except (OSError, RuntimeError) as error:
            raise Refusal(
                Reason.BLOB_MISSING, f"the chunks of {sha256} cannot be read", about=sha256
            ) from error
        finally:
            incoming.discard()


def files_of_shard(content: bytes) -> dict[str, XetFile]:
    """Return the files of a shard by sha256 (xet-core, mdb_shard: a header, then files until a bookend)."""
    found: dict[str, XetFile] = {}
    position = _RECORD
    while position + _RECORD <= len(content):
        name = content[position : position + 32]
        if name == b"\xff" * 32:
            break
        flags = int.from_bytes(content[position + 32 : position + 36], "little")
        count = int.from_bytes(content[position + 36 : position + 40], "little")
        position += _RECORD
        segments = range(position, min(position + count * _RECORD, len(content)), _RECORD)
        size = sum(int.from_bytes(content[start + 36 : start + 40], "little") for start in segments)
        position += count * _RECORD * (2 if flags & _VERIFICATION else 1)
        if flags & _METADATA:
            found[_hex(content[position : position + 32])] = XetFile(_hex(name), size)
            position += _RECORD
    return found


def _hex(words: bytes) -> str:
    """Return a hash as Xet writes it: four little-endian words of 64 bits."""
    return "".join(f"{int.from_bytes(words[start : start + 8], 'little'):016x}" for start in range(0, 32, 8))
