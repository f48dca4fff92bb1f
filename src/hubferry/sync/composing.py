"""Make nodes of YAML's events, strictly: one document, no tags, no key twice, aliases that come to an end.

PyYAML's own composer takes the last of two keys, follows tags, and says of neither; its scanner and parser
are used as they are, libyaml's where it is there. What a scalar means is decided where it is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from hubferry.i18n import _
from hubferry.sync.mistakes import nearest, shown
from hubferry.sync.nodes import Items, Pair, Scalar, Table
from hubferry.sync.spec import Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.sync.mistakes import Mistakes
    from hubferry.sync.nodes import Node

_DEEPEST = 24
_MOST_VALUES = 250_000
"""In all, each alias counted with everything that it stands for: a thousand mirrors take some 20,000."""
_MERGE = "<<"
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What YAML has no place for (1.1, section 5.1), and a byte order mark inside a text."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BrokenError(Exception):
    """Report what ends the reading: there is no telling what the rest would mean."""

    def __init__(self, position: Position, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.position = position
        self.message = message
        self.hint = hint


def compose(text: str, mistakes: Mistakes) -> Node | None:
    """Return what a text of YAML holds; None where it holds nothing.

    Args:
        text: Without a byte order mark.
        mistakes: Takes what is wrong and leaves the rest readable.

    Raises:
        BrokenError: It is no YAML, or none that is bounded.
    """
    if wrong := _NO_CHARACTER.search(text):
        message = _("a character that YAML has no place for: U+{code:04X}").format(code=ord(wrong[0]))
        raise BrokenError(_position_of(text, wrong.start()), message)
    try:
        return _Composer(text, mistakes).document()
    except yaml.MarkedYAMLError as error:
        raise _no_yaml(text, error) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BrokenError(Position(1, 1), _("this is no YAML")) from error


class _Composer:
    def __init__(self, text: str, mistakes: Mistakes) -> None:
        self._text = text
        self._mistakes = mistakes
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._anchors: dict[str, Node | None] = {}
        """None while what the anchor names is being read."""
        self._values = 0

    def document(self) -> Node | None:
        """Read all of the stream."""
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    message = _("a second document begins here; one file holds one")
                    raise BrokenError(_at(event), message)
                root = self._node(next(self._events), 0)
        return None if isinstance(root, Scalar) and root.is_nothing else root

    def _node(self, event: Any, depth: int) -> Node:
        position = _at(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), position)
        if depth > _DEEPEST:
            raise BrokenError(position, _("tables and lists stand too deep inside of each other"))
        if event.tag is not None:
            self._mistakes.add(position, _("tags (!…) are not read: a value is what it says"))
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(position, depth)
        else:
            node = self._table(position, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, name: str, position: Position) -> Node:
        if name not in self._anchors:
            message = _("no anchor &{name} stands before this").format(name=name)
            raise BrokenError(position, message, nearest(name, self._anchors) if self._anchors else None)
        node = self._anchors[name]
        if node is None:
            raise BrokenError(position, _("*{name} stands inside of what it names").format(name=name))
        self._count(node.weight, position)
        return node

    def _count(self, values: int, position: Position) -> None:
        self._values += values
        if self._values > _MOST_VALUES:
            message = _("this comes to more than {count} values, aliases counted with what they stand for")
            raise BrokenError(position, message.format(count=_MOST_VALUES))

    def _scalar(self, event: Any) -> Scalar:
        position = _at(event)
        self._count(1, position)
        raw = self._text[event.start_mark.index : event.end_mark.index]
        begin = raw.find(event.value)
        verbatim = begin if begin >= 0 and "\n" not in raw else None
        return Scalar(event.value, not event.style, position, verbatim)  # libyaml says "", the other None

    def _items(self, position: Position, depth: int) -> Items:
        self._count(1, position)
        items: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, depth + 1))
        return Items(items, position, 1 + sum(item.weight for item in items))

    def _table(self, position: Position, depth: int) -> Table:
        self._count(1, position)
        own: dict[str, Pair] = {}
        merged: dict[str, Pair] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            at, key = _at(event), self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar) or key.is_nothing:
                self._mistakes.add(at, _("a key is a word"))
            elif key.text == _MERGE and key.is_plain:
                self._merge(value, merged, at)
            elif key.text in own:
                message = _("the key “{key}” stands here a second time; line {line} has it already")
                self._mistakes.add(at, message.format(key=shown(key.text), line=own[key.text].position.line))
            else:
                own[key.text] = Pair(at, value)
        pairs = own | {key: pair for key, pair in merged.items() if key not in own}
        return Table(pairs, position, 1 + sum(1 + pair.value.weight for pair in pairs.values()))

    def _merge(self, value: Node, merged: dict[str, Pair], at: Position) -> None:
        """Lay a table, or several of which the first wins, under the one that is being read."""
        tables = value.items if isinstance(value, Items) else [value]
        for table in tables:
            if not isinstance(table, Table):
                message = _("<< merges a table, or a list of tables: <<: *name")
                self._mistakes.add(at if isinstance(value, Items) else value.position, message)
                continue
            for key, pair in table.pairs.items():
                merged.setdefault(key, pair)


def _at(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _position_of(text: str, index: int) -> Position:
    line = text.count("\n", 0, index)
    return Position(line + 1, index - (text.rfind("\n", 0, index) + 1) + 1)


def _no_yaml(text: str, error: yaml.MarkedYAMLError) -> BrokenError:
    """Say where the parser stopped, and why in its own words, which quote nothing of the file."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return BrokenError(Position(1, 1), _("this is no YAML"))
    position = Position(mark.line + 1, mark.column + 1)
    if text[mark.index : mark.index + 1] == "\t":
        return BrokenError(position, _("a tab stands where YAML wants spaces"))
    reason = (error.problem or "").splitlines()[:1]
    return BrokenError(position, _("this is no YAML: {reason}").format(reason="".join(reason)[:200]))
