"""What the rules about a model's directory look at: its files by folder, and the JSON among them.

Only what the inventory found to be a regular file is ever opened, and no more of it is held than is bounded.
"""

from __future__ import annotations

import codecs
import json
import os
import posixpath
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.cache import formats, shards
from hubferry.cache.disk import disk

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from hubferry.cache.inventory import Inventory
    from hubferry.cache.shards import ShardSet

LARGEST_JSON = 64 << 20
"""Bytes of the largest file whose JSON is checked throughout; the largest real tokenizers need half of it."""
_LARGEST_PARSED = 4 << 20
"""Bytes of the largest file whose values Python takes into memory: it may need twenty times as many."""
LARGEST_ODD = 256 << 10
"""Bytes of the largest file that is read again as Python reads JSON, where that is less strict."""
_ROOM = 512 << 20
"""Bytes of JSON that are read for one model altogether."""
_LONGEST_PATH = 4096
_EDGE = 64


@dataclass
class Look:
    """One look at a directory.

    Attributes:
        directory: Where the files are.
        inventory: What was found there.
        trusted: Paths that were verified by hash, and are not held against anything.
        proven: How many weight files account for their own length.
        indexed: Paths that are here and that an index names.
    """

    directory: Path
    inventory: Inventory
    trusted: Collection[str] = ()
    proven: int = 0
    indexed: set[str] = field(default_factory=set)
    _room: int = _ROOM

    @property
    def files(self) -> Mapping[str, os.stat_result]:
        """The regular files by path."""
        return self.inventory.files

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """The names of the files in each folder; that of the directory itself is empty."""
        folders: dict[str, list[str]] = {}
        for path in self.files:
            folder, _slash, name = path.rpartition("/")
            folders.setdefault(folder, []).append(name)
        return folders

    @cached_property
    def tops(self) -> dict[str, list[str]]:
        """The paths below each folder of the directory itself."""
        tops: dict[str, list[str]] = {}
        for path in self.files:
            top, slash, _rest = path.partition("/")
            if slash:
                tops.setdefault(top, []).append(path)
        return tops

    @cached_property
    def weights(self) -> list[str]:
        """The paths of weight files."""
        return [path for path in self.files if formats.is_weight(path)]

    @cached_property
    def shard_sets(self) -> list[ShardSet]:
        """The weights that are numbered as parts of a whole."""
        return shards.sets_of(self.files)

    @cached_property
    def shard_sets_in(self) -> dict[str, list[ShardSet]]:
        """The same by their folder, as `folders` has it."""
        sets: dict[str, list[ShardSet]] = {}
        for one in self.shard_sets:
            sets.setdefault(one.folder.removesuffix("/"), []).append(one)
        return sets

    def beside(self, path: str) -> list[str]:
        """Return the names of the files in the folder of `path`."""
        return self.folders.get(path.rpartition("/")[0], [])

    def place(self, path: str, name: str) -> str:
        """Return the path that `name` has, when the file at `path` names it relative to its own folder."""
        if len(name) > _LONGEST_PATH:
            return name
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))

    def affords(self, size: int) -> bool:
        """Return whether a file of `size` bytes may still be read, and count it."""
        if size > LARGEST_JSON or size > self._room:
            return False
        self._room -= size
        return True

    def is_exhausted(self, path: str) -> bool:
        """Return whether a file is not read because of all that was read before."""
        return self._room < self.files[path].st_size <= LARGEST_JSON

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None where it is too much or cannot be read."""
        if not self.affords(self.files[path].st_size):
            return None
        try:
            return disk.read_bytes(self.directory / path)
        except OSError:
            return None

    def value(self, path: str) -> Any:
        """Return what the JSON file at `path` says; None where it says nothing, or too much."""
        if path not in self.files or self.files[path].st_size > _LARGEST_PARSED:
            return None
        return parsed(self.read(path))

    def mapping(self, path: str) -> dict[str, Any]:
        """Return the object in the JSON file at `path`; an empty one for anything else, or too much."""
        value = self.value(path)
        return value if isinstance(value, dict) else {}

    def is_json(self, path: str) -> bool:
        """Return whether a file is valid JSON; of one that is too large only whether it has both ends.

        Raises:
            OSError: It cannot be read.
        """
        size = self.files[path].st_size
        if not self.affords(size):
            return self._has_both_ends(self.directory / path, size)
        data = disk.read_bytes(self.directory / path)
        try:
            msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # Python's own reader also takes NaN and the like, as the libraries that load models do.
            return size <= LARGEST_ODD and parsed(data) is not None
        return True

    def _has_both_ends(self, path: Path, size: int) -> bool:
        descriptor = disk.open(path, os.O_RDONLY)
        try:
            first = disk.pread(descriptor, _EDGE, 0).lstrip()[:1]
            last = disk.pread(descriptor, _EDGE, max(0, size - _EDGE)).rstrip()[-1:]
        finally:
            disk.close(descriptor)
        return first + last in (b"{}", b"[]")


def parsed(data: bytes | None) -> Any:
    """Return the value of JSON as Python reads it, None for what is none."""
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
