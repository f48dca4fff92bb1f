"""What changes make of a tree, and those that none can hold. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.serve.records import Delete, FileRecord, Put
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hubferry.serve.records import Change
    from hubferry.serve.tree import Tree


def changes_of(
    tree: Tree, changes: Sequence[Change], files: Mapping[str, FileRecord]
) -> dict[str, FileRecord | None]:
    """Return by path what changes set, and None for what they delete.

    Args:
        tree: What is changed.
        changes: In order; a later one of the same path wins.
        files: What is put, by path.

    Raises:
        Refusal: A path to delete is not there.
    """
    applied: dict[str, FileRecord | None] = {}
    for change in changes:
        if isinstance(change, Put):
            applied[change.path] = files[change.path]
        else:
            applied.update(dict.fromkeys(_deleted(tree, change)))
    return applied


def _deleted(tree: Tree, change: Delete) -> list[str]:
    if change.folder or (change.path not in tree and tree.is_folder(change.path)):
        paths = [path for path in tree.below(change.path, recursive=True) if path in tree]
    else:
        paths = [change.path] if change.path in tree else []
    if not paths:
        raise Refusal(Reason.ENTRY_MISSING, f"{change.path} does not exist", about=change.path)
    return paths


def refuse_collisions(tree: Tree, changes: Mapping[str, FileRecord | None]) -> None:
    """Refuse a path that would be a file and a folder at once."""
    after = tree.after(changes, "")
    for path in (path for path, file in changes.items() if file is not None):
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if after.is_folder(path) or any(folder in after for folder in above):
            raise Refusal(Reason.INVALID, f"{path} would be both a file and a folder", about=path)
