"""What git's clients and servers say to each other, in lines with their length before them. Pure.

Wire facts: git's `gitprotocol-common`, `gitprotocol-http` and `gitprotocol-pack`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FLUSH = b"0000"
NOTHING = "0" * 40
"""The object of a name that is not there."""
_LONGEST = 65_516
_PREFIX = 4
_MOST_COMMANDS = 1_000
_COMMAND = re.compile(r"([0-9a-f]{40}) ([0-9a-f]{40}) (refs/[^\x00-\x20\x7f~^:?*\[\\]{1,200})")


def line(text: bytes) -> bytes:
    """Return a line as it is sent."""
    return f"{len(text) + _PREFIX:04x}".encode() + text


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file up to the next flush.

    Raises:
        Refusal: They are none.
    """
    while True:
        prefix = file.read(_PREFIX)
        if prefix == FLUSH:
            return
        try:
            length = int(prefix, 16) - _PREFIX
        except ValueError:
            length = -1
        content = file.read(length) if 0 <= length <= _LONGEST else b""
        if length < 0 or len(content) != length:
            raise Refusal(Reason.INVALID, "Malformed request of git")
        yield content


@dataclass(frozen=True, slots=True)
class Command:
    """That a name is to lead somewhere else.

    Attributes:
        old: What the client thinks that it leads to.
        new: Where it is to lead; `NOTHING` removes it.
        name: With its `refs/`.
    """

    old: str
    new: str
    name: str


@dataclass(frozen=True, slots=True)
class Push:
    """What a client wants to push, besides the objects, which follow."""

    commands: tuple[Command, ...]
    capabilities: frozenset[str]


def read_push(file: BinaryIO) -> Push:
    """Read what precedes the objects of a push.

    Raises:
        Refusal: It is none.
    """
    commands: list[Command] = []
    capabilities: frozenset[str] = frozenset()
    for number, content in enumerate(lines(file)):
        text, _nul, said = content.partition(b"\0")
        if number == 0:
            capabilities = frozenset(said.decode(errors="replace").split())
        match = _COMMAND.fullmatch(text.decode(errors="replace").rstrip("\n"))
        if match is None or number >= _MOST_COMMANDS:
            raise Refusal(Reason.INVALID, "Malformed push")
        commands.append(Command(match[1], match[2], match[3]))
    return Push(tuple(commands), capabilities)


def report(push: Push, refused: Iterable[tuple[str, str]]) -> bytes:
    """Return what a client is told of its push: for each name nothing, or why not."""
    reasons = dict(refused)
    text = line(b"unpack ok\n")
    for command in push.commands:
        reason = reasons.get(command.name)
        said = f"ng {command.name} {_one_line(reason)}\n" if reason is not None else f"ok {command.name}\n"
        text += line(said.encode())
    text += FLUSH
    if "side-band-64k" not in push.capabilities:
        return text
    pieces = [text[start : start + _LONGEST - 1] for start in range(0, len(text), _LONGEST - 1)]
    return b"".join(line(b"\1" + piece) for piece in pieces) + FLUSH


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
