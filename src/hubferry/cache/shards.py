"""Which weights are numbered as parts of a whole, and which numbers are missing. No I/O.

The names are those of the libraries: transformers, diffusers and their likes (`model-00001-of-00003`, a
variant before or behind it), llama.cpp (`llama_split_path`), other conversions (`model_00001-of-00072`,
`-of-000163`, `model-1-of-61`, `_of_`), TensorFlow (`ckpt.data-00000-of-00002`), files that were cut for
upload (`.gguf.part1of2`, `.gguf-split-a`); and those that tell no total: Meta's `consolidated.00.pth`, MLX's
`weights.00.safetensors`, Megatron's and DeepSpeed's `mp_rank_00`, TensorRT-LLM's `rank0`.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from hubferry.cache import formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHARD = re.compile(
    r"(?P<stem>.*?)(?P<gap>[-_.]?)(?<!\d)(?P<number>\d+)(?P<of>[-_]of[-_])(?P<count>\d+)(?P<tail>(\.[\w+-]+)*)"
)
_PIECE = re.compile(r"(?P<stem>.+)(?P<gap>\.part)(?P<number>\d+)(?P<of>of)(?P<count>\d+)(?P<tail>)")
_TENSORFLOW = ".data"
_SERIES = tuple(
    re.compile(rf"(?P<stem>{stem})(?P<number>\d{{1,4}})(?P<tail>{tail})")
    for stem, tail in (
        (r"consolidated\.", r"\.(pth|pt|safetensors)"),
        (r"weights\.", r"\.(safetensors|npz)"),
        (r"reshard-model_part-", r"\.pt"),
        (r"mp_rank_", r"_model_states\.pt|/model_optim_rng\.pt"),
        (r"rank", r"\.engine"),
    )
)
_RANK = re.compile(r"rank(\d{1,4})(\.engine|\.safetensors)")
_LETTERED = re.compile(r"(?P<stem>.+\.(gguf|ggml|bin|safetensors|pth)-split-)(?P<letter>[a-z])")
_MOST_OF_A_SERIES = 50


@dataclass(slots=True)
class ShardSet:
    """Files that are numbered as parts of one whole.

    Attributes:
        folder: The folder that they are in, with its slash; empty for the directory itself.
        stem: What stands before the number; `gap`, `of` and `tail` are what stands between and behind.
        count: How many there have to be, as the names write it.
        numbers: Those that are here.
        paths: The files of this set that are here.
        padded: Digits of a number that is filled up with zeros.
    """

    folder: str
    stem: str
    gap: str
    of: str
    count: str
    tail: str
    numbers: set[int] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    padded: int = 1

    @property
    def total(self) -> int:
        """How many there have to be."""
        return int(self.count)

    @property
    def pattern(self) -> str:
        """What all the names have in common."""
        return f"{self.folder}{self.stem}{self.gap}*{self.of}{self.count}{self.tail}"

    @property
    def first(self) -> int:
        """The lowest number: TensorFlow's shards, and sets that have a shard 0, count from it."""
        return 0 if 0 in self.numbers or self.stem.endswith(_TENSORFLOW) else 1

    @property
    def lacking(self) -> int:
        """How many are not here."""
        here = sum(self.first <= number < self.first + self.total for number in self.numbers)
        return self.total - here

    def missing(self) -> Iterator[tuple[int, str]]:
        """Yield number and path of each that is not here; what the names promise may be endless."""
        number = self.first
        while number < self.first + self.total:
            if number not in self.numbers:
                shown = f"{number:0{self.padded}}"
                yield number, f"{self.folder}{self.stem}{self.gap}{shown}{self.of}{self.count}{self.tail}"
            number += 1

    def add(self, path: str, number: str) -> None:
        """Count one that is here."""
        self.numbers.add(int(number))
        self.paths.append(path)
        if number.startswith("0"):
            self.padded = len(number)


def is_numbered(name: str) -> bool:
    """Return whether a file's name says that it is one of several."""
    return bool(_SHARD.fullmatch(name) or _PIECE.fullmatch(name))


def sets_of(paths: Iterable[str]) -> list[ShardSet]:
    """Return the sets that the weights among `paths` belong to."""
    known = paths if isinstance(paths, (set, dict)) else set(paths)
    sets: dict[tuple[str, ...], ShardSet] = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        match = _PIECE.fullmatch(name) or _SHARD.fullmatch(name)
        if match is None:
            continue
        stem, tail = match["stem"], match["tail"]
        checkpoint = stem.endswith(_TENSORFLOW) and not tail
        index = f"{folder}{slash}{stem.removesuffix(_TENSORFLOW)}.index"
        if formats.suffix_of(f"x{stem}{tail}") in formats.WEIGHT_SUFFIXES or (checkpoint and index in known):
            key = (folder, stem, match["gap"], match["of"], match["count"], tail)
            one = sets.setdefault(key, ShardSet(folder + slash, *key[1:]))
            one.add(path, match["number"])
    return list(sets.values())


def gaps_of(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths that are missing among files that are numbered from 0 without a total."""
    series: dict[tuple[str, str], set[str]] = {}
    lettered: dict[str, set[str]] = {}
    for path in paths:
        if (found := _in_series(path)) is not None:
            before, number, after = found
            series.setdefault((before, after), set()).add(number)
        elif (match := _LETTERED.fullmatch(path)) is not None:
            lettered.setdefault(match["stem"], set()).add(match["letter"])
    for (before, after), numbers in series.items():
        width = min(len(number) for number in numbers)
        here = {int(number) for number in numbers}
        gaps = (number for number in range(max(here)) if number not in here)
        for gap in islice(gaps, _MOST_OF_A_SERIES):
            yield f"{before}{gap:0{width}}{after}"
    for stem, letters in lettered.items():
        last = max(*letters, "b")  # nothing is split into one
        needed = string.ascii_lowercase[: string.ascii_lowercase.index(last) + 1]
        yield from (stem + letter for letter in needed if letter not in letters)


def _in_series(path: str) -> tuple[str, str, str] | None:
    """Return what stands before the number in a path that tells no total, the number, and what follows."""
    folder, slash, name = path.rpartition("/")
    if name == "model_optim_rng.pt":  # Megatron numbers the folder
        above, slash, last = folder.rpartition("/")
        folder, name = above, f"{last}/{name}"
    for pattern in _SERIES:
        match = pattern.fullmatch(name)
        if match is not None:
            return f"{folder}{slash}{match['stem']}", match["number"], match["tail"]
    return None


def ranks_of(names: Iterable[str]) -> dict[str, set[int]]:
    """Return, by what stands behind the number, which of `rank0`, `rank1`, ... are among `names`."""
    ranks: dict[str, set[int]] = {}
    for match in filter(None, map(_RANK.fullmatch, names)):
        ranks.setdefault(match[2], set()).add(int(match[1]))
    return ranks
