"""Spoil JSON in one place: what somebody, or a bad disk, may have made of a file or an answer."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as some

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE = object()
"""Stands for a key or an element that is left out."""
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 7, 2**31, 2**63, 2**64, -(2**70), 1.5, 1e300, "", "x", "..", "../../x", "/etc/passwd",
    "a/../b", "\0", "a\nb", "\x1b[2J", "模型", "😀", "x" * 5_000, "0" * 40, "f" * 64,
    [], {}, [None], [[]], {"a": {}}, GONE, "d/" * 10_000 + "x",
)  # fmt: skip
UNREADABLE = (
    b"", b"{", b"null", b"[]", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"NaN", b"1e999", b'"\\ud800"',
    b"<html></html>", b"\0" * 64,
)  # fmt: skip


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each part of a JSON value, the whole first."""
    yield way
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*way, key))


def changed(value: Any, way: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy of a JSON value with `odd` where `way` leads."""
    if not way:
        return None if odd is GONE else odd
    copy = deepcopy(value)
    inner = copy
    for key in way[:-1]:
        inner = inner[key]
    if odd is GONE:
        del inner[way[-1]]
    else:
        inner[way[-1]] = odd
    return copy


@some.composite
def spoilt(draw: Any, content: bytes) -> bytes:
    """Draw other bytes for a file of JSON: an odd value somewhere, or no JSON at all, or a flipped byte."""
    kind = draw(some.sampled_from(["odd", "odd", "odd", "unreadable", "flipped"]))
    if kind == "unreadable":
        return bytes(draw(some.sampled_from(UNREADABLE) | some.binary(max_size=50)))
    if kind == "flipped":
        flipped = bytearray(content)
        flipped[draw(some.integers(0, len(flipped) - 1))] = draw(some.integers(0, 255))
        return bytes(flipped)
    value = json.loads(content)
    way = draw(some.sampled_from(list(places(value))))
    return json.dumps(changed(value, way, draw(some.sampled_from(ODD)))).encode()
