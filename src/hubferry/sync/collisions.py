"""Entries of a mirror file that get into each other's way, as far as that is seen without asking a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.i18n import _
from hubferry.sync.nodes import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.sync.mistakes import Mistakes
    from hubferry.sync.nodes import Node
    from hubferry.sync.repositories import Place
    from hubferry.sync.spec import Entry, Position

_Read = tuple["Node", "Entry", "Place | None", "Place | None"]


def note(entries: Sequence[_Read], mistakes: Mistakes) -> None:
    """Name each entry that has the name or the target of an earlier one, or a folder around or inside it."""
    _names(entries, mistakes)
    _targets(entries, mistakes)
    _folders(entries, mistakes)


def _names(entries: Sequence[_Read], mistakes: Mistakes) -> None:
    lines: dict[str, int] = {}
    for node, entry, _source, _target in entries:
        line = lines.get(entry.name)
        if line is None:
            lines[entry.name] = _where(node, "name").line
        elif entry.name:
            message = _("line {line} has an entry of this name already: {name}").format(
                line=line, name=entry.name
            )
            mistakes.add(_where(node, "name"), message, _("give one of them a name of its own: name: …"))


def _targets(entries: Sequence[_Read], mistakes: Mistakes) -> None:
    """Name a target that is there twice; two patterns may share one where they choose differently."""
    lines: dict[object, int] = {}
    for node, entry, source, target in entries:
        if source is None or target is None:
            continue
        key = (target.key, source.key, entry.repos) if source.is_pattern else target.key
        at = _where(node, "target")
        if key in lines:
            mistakes.add(at, _("line {line} has this target already").format(line=lines[key]))
        else:
            lines[key] = at.line


def _folders(entries: Sequence[_Read], mistakes: Mistakes) -> None:
    """A folder inside another target may be deleted with what that one's source does not have."""
    lines = {
        Path(target.text): _where(node, "target").line
        for node, _entry, _source, target in reversed(entries)
        if target is not None and target.is_folder and not target.is_pattern
    }
    for node, _entry, source, target in entries:
        if target is None or not target.is_folder or target.is_pattern:
            continue
        here = Path(target.text)
        above = next((parent for parent in here.parents if parent in lines), None)
        if above is not None:
            message = _("this folder is inside the target of line {line}").format(line=lines[above])
            mistakes.add(_where(node, "target"), message)
        if source is not None and source.is_folder and Path(source.text) in here.parents:
            mistakes.add(_where(node, "target"), _("this folder is inside its source"))
        if source is not None and source.is_folder and here in Path(source.text).parents:
            mistakes.add(_where(node, "target"), _("this folder is around its source"))


def _where(node: Node, key: str) -> Position:
    """Return where an entry says something, or where it begins."""
    value = node.get(key) if isinstance(node, Table) else None
    return node.position if value is None else value.position
