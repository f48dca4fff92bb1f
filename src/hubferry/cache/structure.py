"""Find what a model's own files say is missing or wrong, without a network and without a hash.

Each rule is a generator of problems over an inventory. A rule never opens a path that a file names: it looks
the path up among the files that were found.
"""

from __future__ import annotations

import codecs
import json
import os
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.cache import formats, tokenizers
from hubferry.cache.disk import disk
from hubferry.cache.problem import Kind, Problem
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from hubferry.cache.inventory import Inventory

_INDEX = re.compile(r"\.index(\.[\w-]+)*\.json$")
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<tail>\.[A-Za-z_]\w*)$")
_INDEXED_STEMS = re.compile(r"(model|pytorch_model|diffusion_pytorch_model|tf_model|flax_model)(\.[\w-]+)?$")
_DESCRIPTIONS = re.compile(
    r"(readme(\.[^/]*)?|config\.json|model_index\.json|configuration\.json)", re.IGNORECASE
)
_ESSENTIAL_JSON = frozenset({
    "config.json", "model_index.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "vocab.json", "adapter_config.json", "preprocessor_config.json", "scheduler_config.json", "modules.json",
})  # fmt: skip
_WITH_WEIGHTS = re.compile(
    r"Model|Autoencoder|Encoder|Decoder|UNet|Transformer|VAE|Checker|ControlNet|LM$|ConditionalGeneration|Prior"
)
_LARGEST_JSON = 64 << 20
_LARGEST_PARSED = 256 << 10
_MOST_SHARDS = 10_000
_EDGE = 64


@dataclass(frozen=True, slots=True)
class Structure:
    """What the rules found.

    Attributes:
        problems: In the order of the rules, one for each path and kind.
        weights: Paths of weight files.
        proven: How many of them account for their own length.
        described: Whether there is a README.md, config.json or model_index.json.
    """

    problems: tuple[Problem, ...] = ()
    weights: tuple[str, ...] = ()
    proven: int = 0
    described: bool = False


@dataclass(slots=True)
class _Look:
    """One look at a directory; `trusted` paths were verified by hash and are not opened."""

    directory: Path
    inventory: Inventory
    trusted: Collection[str]
    weights: list[str] = field(default_factory=list)
    proven: int = 0
    indexed: set[str] = field(default_factory=set)

    @property
    def names(self) -> dict[str, os.stat_result]:
        return self.inventory.files


def inspect(directory: Path, inventory: Inventory, *, trusted: Collection[str] = ()) -> Structure:
    """Apply every rule to a directory.

    Args:
        directory: Where the files are.
        inventory: Its files.
        trusted: Paths whose content is known to be what a hub listed: whatever is odd about it is the hub's.
    """
    look = _Look(directory, inventory, trusted)
    look.weights = [path for path in inventory.files if formats.is_weight(path)]
    rules: tuple[Callable[[_Look], Iterator[Problem]], ...] = (
        _links, _weights, _json, _indexes, _numbered, _components, _tokenizers, _leftovers,
    )  # fmt: skip
    found: dict[str, Problem] = {}
    for rule in rules:
        for problem in rule(look):
            found.setdefault(problem.path, problem)
    described = any(map(_DESCRIPTIONS.fullmatch, inventory.files))
    return Structure(tuple(found.values()), tuple(look.weights), look.proven, described)


def _links(look: _Look) -> Iterator[Problem]:
    for path in look.inventory.strange:
        yield Problem(path, _("is a link that leads nowhere, or no file at all"), Kind.MISSING)


def _weights(look: _Look) -> Iterator[Problem]:
    for path, status in look.names.items():
        if formats.suffix_of(path) not in formats.WEIGHT_SUFFIXES:
            continue
        if path in look.trusted:
            look.proven += 1
            continue
        needed: dict[str, int] = {}
        try:
            evidence = formats.examine(look.directory / path, status.st_size, needed=needed)
        except formats.FlawError as flaw:
            yield Problem(path, str(flaw), Kind.BROKEN)
            continue
        except OSError as error:
            yield _unreadable(path, error)
            continue
        look.proven += evidence is formats.Evidence.PROVEN
        yield from _external(look, path, needed)


def _unreadable(path: str, error: OSError) -> Problem:
    reason = error.strerror or str(error)
    return Problem(path, _("cannot be read: {reason}").format(reason=reason), Kind.BROKEN)


def _external(look: _Look, path: str, needed: dict[str, int]) -> Iterator[Problem]:
    """Hold the files that an ONNX model needs beside it against what is there."""
    for location, length in needed.items():
        place = posixpath.normpath(posixpath.join(posixpath.dirname(path), location))
        if place not in look.names:
            yield Problem(place, _("is missing: {name} keeps weights in it").format(name=path), Kind.MISSING)
        elif look.names[place].st_size < length:
            message = _("is cut off: {size} bytes, and {expected} are expected")
            size = look.names[place].st_size
            yield Problem(place, message.format(size=size, expected=length), Kind.BROKEN)


def _json(look: _Look) -> Iterator[Problem]:
    for path, status in look.names.items():
        if posixpath.basename(path) not in _ESSENTIAL_JSON or path in look.trusted:
            continue
        try:
            if not _is_json(look.directory / path, status.st_size):
                yield Problem(path, _("is not valid JSON, or is cut off"), Kind.BROKEN)
        except OSError as error:
            yield _unreadable(path, error)


def _is_json(path: Path, size: int) -> bool:
    if size > _LARGEST_JSON:
        return _ends_as_json(path, size)
    try:
        msgspec.json.decode(disk.read_bytes(path).removeprefix(codecs.BOM_UTF8), type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Python's own reader also takes NaN and the like, as the libraries that load models do.
        return size <= _LARGEST_PARSED and _read_json(path, size) is not None
    return True


def _read_json(path: Path, size: int) -> Any:
    """Return the value of a file, None for what is no JSON, too much of it, or cannot be read."""
    if size > _LARGEST_JSON:
        return None
    try:
        return json.loads(disk.read_bytes(path))
    except (ValueError, RecursionError, OSError):
        return None


def _ends_as_json(path: Path, size: int) -> bool:
    descriptor = disk.open(path, os.O_RDONLY)
    try:
        first = disk.pread(descriptor, _EDGE, 0).lstrip()[:1]
        last = disk.pread(descriptor, _EDGE, max(0, size - _EDGE)).rstrip()[-1:]
    finally:
        disk.close(descriptor)
    return first + last in (b"{}", b"[]")


def _indexes(look: _Look) -> Iterator[Problem]:
    for path, status in look.names.items():
        if not _INDEX.search(path):
            continue
        index = _read_json(look.directory / path, status.st_size)
        if index is None:
            yield Problem(path, _("is not valid JSON, or is cut off"), Kind.BROKEN)
            continue
        shards = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(shards, dict):  # another kind of index
            continue
        for shard in sorted({str(name) for name in shards.values()}):
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), shard))
            look.indexed.add(place)
            if place not in look.names:
                yield Problem(place, _("is missing: {name} names it").format(name=path), Kind.MISSING)


def _numbered(look: _Look) -> Iterator[Problem]:
    """Find the gaps in `name-00001-of-00003`, and shards whose index is not there."""
    sets: dict[tuple[str, int, str], set[int]] = {}
    for path in look.names:
        match = _SHARD.fullmatch(path)
        if match and formats.suffix_of(path) in formats.WEIGHT_SUFFIXES:
            sets.setdefault((match["stem"], int(match["count"]), match["tail"]), set()).add(
                int(match["number"])
            )
    for (stem, count, tail), numbers in sets.items():
        first = 0 if 0 in numbers else 1
        expected = range(first, first + min(count, _MOST_SHARDS))
        paths = {number: f"{stem}-{number:05}-of-{count:05}{tail}" for number in expected}
        for number in sorted(paths.keys() - numbers):
            what = _("is missing: shard {number} of {count}").format(number=number, count=count)
            yield Problem(paths[number], what, Kind.MISSING)
        folder, _slash, name = stem.rpartition("/")
        match = _INDEXED_STEMS.fullmatch(name)
        if match and not look.indexed.intersection(paths.values()):
            index = posixpath.join(folder, f"{match[1]}{tail}.index{match[2] or ''}.json")
            yield Problem(index, _("is missing: without it the shards cannot be loaded"), Kind.MISSING)


def _components(look: _Look) -> Iterator[Problem]:
    """Hold what `model_index.json` names against the folders that are there."""
    path = "model_index.json"
    if path not in look.names:
        return
    index = _read_json(look.directory / path, look.names[path].st_size)
    for name, value in index.items() if isinstance(index, dict) else ():
        if name.startswith("_") or not _is_component(value):
            continue
        inside = [file.rpartition("/")[2] for file in look.names if file.startswith(name + "/")]
        if not inside:
            yield Problem(f"{name}/", _("is missing: {name} names it").format(name=path), Kind.MISSING)
        elif _WITH_WEIGHTS.search(value[1]) and "Tokenizer" not in value[1]:
            if "config.json" not in inside:
                what = _("is missing: a component has to have it")
                yield Problem(f"{name}/config.json", what, Kind.MISSING)
            if not any(map(formats.is_weight, inside)):
                yield Problem(f"{name}/", _("has no weights"), Kind.MISSING)


def _is_component(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value)  # noqa: PLR2004  # library and class


def _tokenizers(look: _Look) -> Iterator[Problem]:
    for path, status in look.names.items():
        folder, _slash, name = path.rpartition("/")
        if name == "tokenizer_config.json":
            beside = [file.rpartition("/")[2] for file in look.names if file.rpartition("/")[0] == folder]
            settings = _read_json(look.directory / path, status.st_size)
            what = tokenizers.missing_vocabulary(beside, settings if isinstance(settings, dict) else {})
            if what:
                yield Problem(path, what, Kind.MISSING)


def _leftovers(look: _Look) -> Iterator[Problem]:
    for path in look.inventory.leftovers:
        yield Problem(path, _("was left by an interrupted download"), Kind.LEFTOVER)
