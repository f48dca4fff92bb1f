"""Find what a model's own files say is missing or wrong, without a network and without a hash.

Each rule is a generator of problems over a look at the directory. A rule never opens a path that a file
names: it looks the path up among the files that were found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import components, formats, indexes, shards, tokenizers
from hubferry.cache.formats.cursor import limited
from hubferry.cache.look import Look
from hubferry.cache.problem import Kind, Problem, bounded, missing
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from hubferry.cache.inventory import Inventory

_INDEXED_STEMS = re.compile(r"(model|pytorch_model|diffusion_pytorch_model|tf_model|flax_model)(\.[\w-]+)?")
_DESCRIPTIONS = re.compile(
    r"(readme(\.[^/]*)?|config\.json|model_index\.json|configuration\.json)", re.IGNORECASE
)
_ESSENTIAL_JSON = frozenset({
    "config.json", "model_index.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "vocab.json", "adapter_config.json", "preprocessor_config.json", "scheduler_config.json", "modules.json",
})  # fmt: skip
_WHOLE_MODELS = frozenset({".gguf", ".litertlm", ".dduf", ".pte", ".task", ".llamafile", ".nemo", ".keras"})
"""Formats of files that have all that their runtime needs."""
_MOST_STEPS = 200_000_000
"""Through the headers of one model altogether, some two minutes; fifty GGUF files need a third of it."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the rules found.

    Attributes:
        problems: In the order of the rules, one for each path; of very many the first.
        weights: Paths of weight files.
        proven: How many of them account for their own length.
        described: Whether there is a README.md, config.json or model_index.json.
        by_itself: Whether some weights here are all of a model, whatever else is missing.
    """

    problems: tuple[Problem, ...] = ()
    weights: tuple[str, ...] = ()
    proven: int = 0
    described: bool = False
    by_itself: bool = False


def inspect(directory: Path, inventory: Inventory, *, trusted: Collection[str] = ()) -> Structure:
    """Apply every rule to a directory.

    Args:
        directory: Where the files are.
        inventory: Its files.
        trusted: Paths whose content is known to be what a hub listed: whatever is odd about it is the hub's.
    """
    look = Look(directory, inventory, trusted)
    rules: tuple[Callable[[Look], Iterator[Problem]], ...] = (
        _links, _weights, _json, indexes.find, _numbered, _counted, components.pipelines, components.modules,
        components.adapters, components.openvino, components.mnn, components.core_ml, components.tensorrt,
        components.tensorflow, _tokenizers, _leftovers,
    )  # fmt: skip
    with limited(_MOST_STEPS) as steps:
        problems = bounded(problem for rule in rules for problem in rule(look))
    if steps.are_spent:
        problems.append(Problem("./", _("has headers that were too long to be looked through"), Kind.NOTE))
    described = any(map(_DESCRIPTIONS.fullmatch, inventory.files))
    weights = tuple(look.weights)
    return Structure(tuple(problems), weights, look.proven, described, any(_by_themselves(look)))


def _by_themselves(look: Look) -> Iterator[str]:
    """Yield the weights that are all of a model, each file or each set of shards."""
    lacking = {path for one in look.shard_sets if one.lacking for path in one.paths}
    for path in look.weights:
        if formats.suffix_of(path) in _WHOLE_MODELS and path not in lacking:
            yield path


def _links(look: Look) -> Iterator[Problem]:
    for path in look.inventory.strange:
        yield Problem(path, _("is a link that leads nowhere, or no file at all"), Kind.MISSING)


def _weights(look: Look) -> Iterator[Problem]:
    for path, status in look.files.items():
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


def _external(look: Look, path: str, needed: dict[str, int]) -> Iterator[Problem]:
    """Hold the files that one needs beside it against what is there."""
    places = {look.place(path, location): length for location, length in needed.items()}
    absent = [place for place in places if place not in look.files]
    what = _("is missing: {name} keeps weights in it").format(name=path)
    yield from missing(((place, what) for place in absent), len(absent), whole=path)
    for place, length in places.items():
        if place in look.files and look.files[place].st_size < length:
            cut = _("is cut off: {size} bytes, and {expected} are expected")
            cut = cut.format(size=look.files[place].st_size, expected=length)
            yield Problem(place, cut, Kind.BROKEN)


def _json(look: Look) -> Iterator[Problem]:
    for path in look.files:
        if path.rpartition("/")[2] not in _ESSENTIAL_JSON or path in look.trusted:
            continue
        try:
            if not look.is_json(path):
                yield Problem(path, _("is not valid JSON, or is cut off"), Kind.BROKEN)
        except OSError as error:
            yield _unreadable(path, error)


def _numbered(look: Look) -> Iterator[Problem]:
    """Find the gaps in `name-00001-of-00003`, and shards whose index is not there."""
    for one in look.shard_sets:
        if one.lacking:
            what = _("is missing: shard {number} of {count}")
            lacking = ((path, what.format(number=number, count=one.total)) for number, path in one.missing())
            yield from missing(lacking, one.lacking, whole=one.pattern)
        match = _INDEXED_STEMS.fullmatch(one.stem)
        if match and not look.indexed.intersection(one.paths) and not _is_spare(look, one):
            index = f"{one.folder}{match[1]}{one.tail}.index{match[2] or ''}.json"
            yield Problem(index, _("is missing: without it the shards cannot be loaded"), Kind.MISSING)


def _is_spare(look: Look, one: shards.ShardSet) -> bool:
    """Return whether the same weights are beside the shards in one file, which is what the libraries load."""
    return f"{one.folder}{one.stem}{one.tail}" in look.files


def _counted(look: Look) -> Iterator[Problem]:
    """Find the gaps among files that are numbered without a total."""
    for path in shards.gaps_of(look.files):
        yield Problem(path, _("is missing: there are others of a higher number"), Kind.MISSING)


def _tokenizers(look: Look) -> Iterator[Problem]:
    for path in look.files:
        if path.rpartition("/")[2] == "tokenizer_config.json":
            beside, settings = look.beside(path), look.mapping(path)
            if "tokenizer_class" not in settings and "config.json" in beside:
                config = look.mapping(look.place(path, "config.json"))
                settings = {**settings, "tokenizer_class": config.get("model_type")}
            what = tokenizers.missing_vocabulary(beside, settings)
            if what:
                yield Problem(path, what, Kind.MISSING)


def _leftovers(look: Look) -> Iterator[Problem]:
    for path in look.inventory.leftovers:
        yield Problem(path, _("was left by an interrupted download"), Kind.LEFTOVER)
