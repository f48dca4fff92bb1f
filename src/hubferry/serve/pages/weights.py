"""What the headers of weight files say of their tensors: read by range, bounded, believed for a page only."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SAFETENSORS, GGUF = ".safetensors", ".gguf"
LARGEST = 8 << 20
"""Bytes of a header that are read; 8 MiB name some 80,000 tensors."""
_SHORTEST = 2
_MOST_SIDES = 16
_LARGEST_COUNT = 1 << 62
_LONGEST_TEXT = 2_000
_FEW = 8
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32",
    27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
"""ggml's type numbers, by the names that its own tools print."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as a header describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Weights:
    """A file's header.

    Attributes:
        metadata: What the file says of itself, as texts.
        whole: Whether all of the header could be read.
    """

    tensors: tuple[Tensor, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    whole: bool = True

    @property
    def parameters(self) -> int:
        """How many numbers all tensors have."""
        return sum(tensor.parameters for tensor in self.tensors)

    @property
    def by_dtype(self) -> dict[str, int]:
        """How many numbers there are of each type, the most first."""
        found: dict[str, int] = {}
        for tensor in self.tensors:
            found[tensor.dtype] = found.get(tensor.dtype, 0) + tensor.parameters
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def has_header(path: str) -> bool:
    """Return whether a file is one whose header can be read."""
    return path.lower().endswith((SAFETENSORS, GGUF))


async def read_weights(
    path: str, size: int, read: Callable[[int, int], Awaitable[bytes]], most: int = LARGEST
) -> Weights | None:
    """Return what a file's header says, None where it has none that makes sense or is larger than `most`.

    Args:
        path: By whose ending the format is known.
        size: Bytes of the file.
        read: Returns so many bytes from there on, fewer at the end.
        most: Bytes of the header that are read.
    """
    if path.lower().endswith(GGUF):
        return await asyncio.to_thread(parse_gguf, await read(0, min(size, most)))
    length = int.from_bytes(await read(0, 8), "little")
    if not _SHORTEST <= length <= min(most, size - 8):
        return None
    return await asyncio.to_thread(parse_safetensors, await read(8, length))


def parse_safetensors(header: bytes) -> Weights | None:
    """Return what a safetensors header says, None where it is none."""
    try:
        value = json.loads(header)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    said = value.pop("__metadata__", {})
    metadata = tuple((str(key), _shown(one)) for key, one in said.items()) if isinstance(said, dict) else ()
    tensors = [_tensor(name, entry) for name, entry in value.items()]
    return Weights(tuple(one for one in tensors if one is not None), metadata)


def _tensor(name: str, entry: Any) -> Tensor | None:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape)} if _is_shape(shape):
            return Tensor(name, dtype[:20], tuple(shape))
    return None


def _is_shape(shape: list[Any]) -> bool:
    return (
        len(shape) <= _MOST_SIDES
        and all(type(side) is int and 0 <= side < _LARGEST_COUNT for side in shape)
        and math.prod(shape) < _LARGEST_COUNT
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


class _Walk:
    """Step through the beginning of a GGUF file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 4

    def number(self, kind: str) -> Any:
        (found,) = struct.unpack_from("<" + kind, self._content, self._at)
        self._at += struct.calcsize("<" + kind)
        return found

    def text(self) -> str:
        length = self.number("Q")
        end = self._at + length
        if end > len(self._content):
            raise struct.error
        found = self._content[self._at : end].decode(errors="replace")
        self._at = end
        return found

    def value(self, kind: int) -> str:
        """Return a value as a text; of a long list its beginning and its length."""
        if kind == _STRING:
            return _shown(self.text())
        if kind != _ARRAY:
            return str(self.number(_SCALARS[kind]))
        element, count = self.number("I"), self.number("Q")
        first = [self.value(element) for _number in range(min(count, _FEW))]
        if element in _SCALARS:
            self._at += struct.calcsize("<" + _SCALARS[element]) * max(0, count - _FEW)
        else:
            for _number in range(max(0, count - _FEW)):
                self._skip(element)
        return f"[{', '.join(first)}{f', … ({count:,})' if count > _FEW else ''}]"

    def _skip(self, kind: int) -> None:
        if kind != _STRING:
            self.value(kind)
            return
        length = self.number("Q")
        self._at += length


def parse_gguf(content: bytes) -> Weights | None:
    """Return what the beginning of a GGUF file says, as far as it goes; None where it is none."""
    if content[:4] != b"GGUF" or int.from_bytes(content[4:8], "little") not in (2, 3):
        return None
    walk = _Walk(content)
    metadata: list[tuple[str, str]] = []
    tensors: list[Tensor] = []
    whole = False
    try:
        walk.number("I")
        count, pairs = walk.number("Q"), walk.number("Q")
        for _number in range(pairs):
            key = walk.text()
            metadata.append((_shown(key), walk.value(walk.number("I"))))
        tensors.extend(_gguf_tensor(walk) for _number in range(count))
        whole = True
    except (struct.error, KeyError, RecursionError, OverflowError, ValueError):
        pass  # what was read until there is shown, and that it is not all
    return Weights(tuple(tensors), tuple(metadata), whole)


def _gguf_tensor(walk: _Walk) -> Tensor:
    name, sides = walk.text(), walk.number("I")
    if sides > _MOST_SIDES:
        raise ValueError(sides)
    shape = [walk.number("Q") for _number in range(sides)]
    kind = walk.number("I")
    walk.number("Q")
    if not _is_shape(shape):
        raise ValueError(name)
    return Tensor(name, _TYPES.get(kind, f"#{kind}"), tuple(reversed(shape)))
