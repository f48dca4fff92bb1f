"""Hold the indexes of sharded weights against the shards that are there.

Which of several weights in a folder its library loads decides what an index without any of its shards means.
transformers' `_get_resolved_checkpoint_files` takes `model.safetensors`, then its index, then
`pytorch_model.bin`, then its index; diffusers takes an index before a single file of the same name; vLLM
loads every shard that is there and that the index names.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from hubferry.cache import formats, shards
from hubferry.cache.look import LARGEST_ODD, parsed
from hubferry.cache.problem import Kind, Problem, missing
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cache.look import Look

_INDEX = re.compile(r"(?P<base>[^/]+)\.index(\.[\w-]+)*\.json")
_ENTRY = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')
_MOST_SHARDS = 100_000
"""More files than any model has; what names more is no index."""
_OF_A_LIBRARY = re.compile(r"(model|pytorch_model|diffusion_pytorch_model|tf_model|flax_model)([.-].*)?")
_RANKS = {".safetensors": 0, ".bin": 1, ".h5": 2, ".msgpack": 3}
"""Of several formats side by side the libraries load the one of the lowest rank."""
_INDEX_FIRST = "diffusion_pytorch_model"


class _Index(msgspec.Struct):
    weight_map: msgspec.Raw = msgspec.Raw()


class _Kept(Enum):
    """What a folder has in place of an index' shards."""

    NOTHING = 0
    OTHERS = 1
    PREFERRED = 2


@dataclass(frozen=True, slots=True)
class _Loadable:
    """Weights of one folder; those that a library looks for also by the rank at which it takes them."""

    names: set[str] = field(default_factory=set)
    ranked: dict[int, set[str]] = field(default_factory=dict)

    def add(self, name: str) -> None:
        self.names.add(name)
        rank = _RANKS.get(formats.suffix_of(name))
        if rank is not None and _OF_A_LIBRARY.fullmatch(name):
            self.ranked.setdefault(rank, set()).add(name)

    def has_other(self, rank: int, name: str) -> bool:
        """Return whether there is any of a rank but `name`."""
        ranked = self.ranked.get(rank, set())
        return len(ranked) > (name in ranked)


def find(look: Look) -> Iterator[Problem]:
    """Find the shards that indexes name and that are not here."""
    instead: dict[str, _Loadable] = {}
    for path in look.files:
        match = _INDEX.fullmatch(path.rpartition("/")[2])
        if match is None:
            continue
        names = _names(look, path)
        if names is None:
            yield Problem(path, _("is not valid JSON, or is cut off"), Kind.BROKEN)
            continue
        if len(names) > _MOST_SHARDS:
            yield Problem(path, _("names more files than any model has"), Kind.BROKEN)
            continue
        places = sorted({look.place(path, name) for name in names})
        absent = [place for place in places if place not in look.files]
        look.indexed.update(place for place in places if place in look.files)
        if absent:
            folder = path.rpartition("/")[0]
            if folder not in instead:
                instead[folder] = _loadable(look, folder)
            kept = _Kept.NOTHING
            if len(absent) == len(places) and not any(place.startswith(("../", "/")) for place in places):
                kept = _kept_instead(match["base"], instead[folder])
            yield from _lacking(path, absent, kept)


def _lacking(path: str, absent: list[str], kept: _Kept) -> Iterator[Problem]:
    """Say what an index lacks, by what there is in its shards' place."""
    if kept is _Kept.NOTHING:
        what = _("is missing: {name} names it").format(name=path)
        yield from missing(((place, what) for place in absent), len(absent), whole=path)
    elif kept is _Kept.OTHERS:
        yield Problem(path, _("names shards, and none of them is here"), Kind.NOTE)


def _names(look: Look, path: str) -> set[str] | None:
    """Return the shards that an index names, none for another kind of index, None for what is no JSON."""
    data = look.read(path)
    if data is None:  # that all files together are too much is not this one's fault
        return set() if look.is_exhausted(path) else None
    try:
        msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=msgspec.Raw)
        index = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=_Index)
    except msgspec.ValidationError:
        return set()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _names_as_python_reads_them(data) if len(data) <= LARGEST_ODD else None
    return _values(bytes(index.weight_map))


def _values(text: bytes) -> set[str]:
    """Return the values of a JSON object without holding the object: there may be millions of keys."""
    literals: set[bytes] = set()
    if text.startswith(b"{"):
        for match in _ENTRY.finditer(text):
            literals.add(match[1])
            if len(literals) > _MOST_SHARDS:
                break
    return {str(parsed(literal)) for literal in literals}


def _names_as_python_reads_them(data: bytes) -> set[str] | None:
    index = parsed(data)
    if index is None:
        return None
    entries = index.get("weight_map") if isinstance(index, dict) else None
    return {str(name) for name in entries.values()} if isinstance(entries, dict) else set()


def _loadable(look: Look, folder: str) -> _Loadable:
    """Return the weights of a folder that are whole by their names."""
    loadable = _Loadable()
    for name in look.folders.get(folder, ()):
        if formats.is_weight(name) and not shards.is_numbered(name):
            loadable.add(name)
    for one in look.shard_sets_in.get(folder, ()):
        if not one.lacking:
            loadable.add(one.stem + one.tail)
    return loadable


def _kept_instead(base: str, loadable: _Loadable) -> _Kept:
    """Return what there is in place of the shards of the index for `base`, of which none is here."""
    own = _RANKS.get(formats.suffix_of(base), max(_RANKS.values()))
    merged = base in loadable.names and not base.startswith(_INDEX_FIRST)
    if merged or any(loadable.has_other(rank, base) for rank in range(own + 1)):
        return _Kept.PREFERRED
    return _Kept.OTHERS if loadable.names else _Kept.NOTHING
