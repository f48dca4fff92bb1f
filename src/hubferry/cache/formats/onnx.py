"""Walk an ONNX model: every field inside the file, every tensor that lies outside in a file long enough.

Field numbers are those of `onnx.proto`: ModelProto.graph 7 and .opset_import 8, GraphProto.initializer 5,
TensorProto.external_data 13, StringStringEntryProto.key 1 and .value 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import Cursor
from hubferry.cache.formats.flaw import Evidence, FlawError
from hubferry.cache.formats.protobuf import fields
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

_GRAPH, _OPERATORS, _INITIALIZER, _EXTERNAL = 7, 8, 5, 13
_KEY, _VALUE = 1, 2
_PLACE = frozenset({"location", "offset", "length"})
_LONGEST_NUMBER = 19
_LONGEST_TEXT = 4096
_MOST_FILES = 10_000
"""Files beside one model; one that names more is judged by the first."""


def examine(file: BinaryIO, size: int, needed: dict[str, int]) -> Evidence:
    """Prove that the model's fields fill `file`, of `size` bytes.

    `needed` takes how many bytes each external file must have at least, by its location.

    Raises:
        FlawError: The model itself is cut off or is none.
    """
    cursor = Cursor(file, size)
    missing = {_GRAPH, _OPERATORS}
    for number, end in fields(cursor, size):
        missing.discard(number)
        if number != _GRAPH:
            continue
        for part, part_end in fields(cursor, end):
            if part == _INITIALIZER:
                location, length = _place(cursor, part_end)
                if location and len(needed) < _MOST_FILES:
                    needed[location] = max(needed.get(location, 0), length)
    if missing:
        raise FlawError(_("is cut off in the middle of a field"))
    return Evidence.PROVEN


def _place(cursor: Cursor, end: int) -> tuple[str, int]:
    """Return the location of one tensor's bytes and where they end there; "" when they are inside."""
    place: dict[str, str] = {}
    for number, entry_end in fields(cursor, end):
        if number == _EXTERNAL:
            entry = {
                part: cursor.take(min(part_end - cursor.position, _LONGEST_TEXT))
                for part, part_end in fields(cursor, entry_end)
                if part in (_KEY, _VALUE)
            }
            key = _text(entry.get(_KEY))
            if key in _PLACE:
                place[key] = _text(entry.get(_VALUE))
    return place.get("location", ""), _number(place.get("offset")) + _number(place.get("length"))


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else 0
