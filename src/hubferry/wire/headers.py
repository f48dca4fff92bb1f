"""The headers of an answer, and the head of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from hubferry.wire.failures import AddressError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_A_TARGET = re.compile(r"[^\x21-\x7e]")


class Headers(Mapping[str, str]):
    """Headers by name, whatever its case; one that came several times has its values joined by commas."""

    def __init__(self) -> None:
        """Begin without any."""
        self._values: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        """Take in a header as it came."""
        key = name.lower()
        known = self._values.get(key)
        self._values[key] = value if known is None else f"{known}, {value}"

    def __getitem__(self, key: str) -> str:
        return self._values[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def request_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Write a request line and its headers.

    Raises:
        AddressError: The target, a name or a value would break out of its line.
    """
    if _NOT_IN_A_TARGET.search(target):
        raise AddressError
    lines = [_line(name, value) for name, value in headers.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


@lru_cache(maxsize=64)  # most are the same in every request
def _line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name) or _NOT_IN_A_VALUE.search(value):
        raise AddressError
    return f"{name}: {value}"
