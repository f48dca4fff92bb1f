"""A commit that is about to be made, as rules look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.serve.blobs import Blobs
    from hubferry.serve.records import FileRecord
    from hubferry.serve.tree import Tree


@dataclass(frozen=True, slots=True)
class Draft:
    """What a commit would change.

    Attributes:
        branch: The branch, as the client named it.
        before: The tree that it changes.
        changes: Path to the new file, or to None where the path is deleted; a rule may add to it.
        blobs: Where the contents are.
    """

    branch: str
    before: Tree
    changes: dict[str, FileRecord | None]
    blobs: Blobs

    @property
    def added(self) -> dict[str, FileRecord]:
        """The new and the changed files by path."""
        return {path: file for path, file in self.changes.items() if file is not None}


Rule = Callable[[Draft], None]
"""Look at a commit before it is made: refuse it, or add to its changes."""
