"""What stands in a YAML file and where: scalars, lists and tables, not yet understood. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hubferry.sync.spec import Position

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_OTHER_NUMBER = re.compile(r"[-+]?(?:0[xo][0-9a-fA-F]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?)")
"""What one reader of YAML takes for a number and another for a text."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        text: As it was written, without the quotes.
        is_plain: Whether it stands there without quotes.
        position: Where it begins.
        verbatim: How far behind `position` the very characters of `text` begin, on one line; None where
            quotes or lines make something else of them.
    """

    text: str
    is_plain: bool
    position: Position
    verbatim: int | None = None

    @property
    def weight(self) -> int:
        """How many values it comes to."""
        return 1

    @property
    def is_nothing(self) -> bool:
        """Whether nothing stands there, or what YAML calls null."""
        return self.is_plain and self.text in ("", "~", "null", "Null", "NULL")

    @property
    def is_ambiguous(self) -> bool:
        """Whether YAML takes it for something else than a text: a number, a date, a truth, nothing."""
        return self.is_plain and (self.is_nothing or _tag_of(self.text) != "tag:yaml.org,2002:str")


def _tag_of(text: str) -> str:
    """Return what YAML 1.1 makes of a plain scalar; what only YAML 1.2 takes for a number is one, too."""
    from yaml import ScalarNode
    from yaml.resolver import Resolver

    if _OTHER_NUMBER.fullmatch(text):
        return "tag:yaml.org,2002:float"
    return str(Resolver().resolve(ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]  # as PyYAML's stubs have it


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[Node]
    position: Position
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A value of a table, and where its key stands."""

    position: Position
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; what `<<` merged into it is there as well, at the positions where it was written."""

    pairs: Mapping[str, Pair]
    position: Position
    weight: int = field(default=1, compare=False)

    def get(self, key: str) -> Node | None:
        """Return the value of a key."""
        pair = self.pairs.get(key)
        return None if pair is None else pair.value

    def __iter__(self) -> Iterator[str]:
        return iter(self.pairs)


Node = Scalar | Items | Table


@dataclass(frozen=True, slots=True)
class Odd:
    """Stand for a value that no key takes: nothing, or what YAML's readers disagree about."""


def truth(node: Node) -> bool | None:
    """Return what `true` or `false` says; None for anything else, `yes` and `off` among it."""
    if isinstance(node, Scalar) and node.is_plain:
        return {"true": True, "false": False}.get(node.text.lower())
    return None


def whole_number(node: Node) -> int | None:
    """Return a number of decimal digits; None for anything else, other bases and underscores among it."""
    if isinstance(node, Scalar) and node.is_plain and _WHOLE.fullmatch(node.text):
        return int(node.text)
    return None


def plain(node: Node) -> Any:
    """Return dicts, lists, texts, whole numbers and truths; `Odd` for what is none of them for certain."""
    if isinstance(node, Table):
        return {key: plain(pair.value) for key, pair in node.pairs.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    if not node.is_ambiguous:
        return node.text
    for said in (truth(node), whole_number(node)):
        if said is not None:
            return said
    return Odd()


def found(root: Node, path: Sequence[str], *, key: bool) -> Position:
    """Return where a value stands, or its `key`; the nearest around it where it is not there."""
    position, node = root.position, root
    for word in path:
        pair = node.pairs.get(word) if isinstance(node, Table) else None
        if pair is None:
            return position
        node = pair.value
        position = pair.position if key and word is path[-1] else node.position
    return position
