"""All files of one commit, with what listings ask of them computed once. Pure."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from hubferry.serve.git import folder_ids
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hubferry.serve.records import FileRecord

_AFTER_SLASH = "0"  # the character that follows "/" in ASCII


class Tree:
    """Files by path; never changes."""

    def __init__(self, files: Mapping[str, FileRecord]) -> None:
        self.files = files

    def __contains__(self, path: object) -> bool:
        return path in self.files

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.files)

    def get(self, path: str) -> FileRecord | None:
        """Return a file, None where there is none of that path."""
        return self.files.get(path)

    def require(self, path: str) -> FileRecord:
        """Return a file.

        Raises:
            Refusal: There is no such file.
        """
        found = self.files.get(path)
        if found is None:
            raise Refusal(Reason.ENTRY_MISSING, "Entry not found", about=path)
        return found

    def prepare(self) -> None:
        """Compute what listings ask for."""
        _computed = self.paths, self.folders, self.entries

    @property
    def prepared(self) -> bool:
        """Whether what listings ask for is computed."""
        return "entries" in self.__dict__ and "paths" in self.__dict__

    def after(self, changes: Mapping[str, FileRecord | None], commit: str) -> Tree:
        """Return the tree that `commit` makes of this one."""
        files = dict(self.files)
        apply_changes(files, changes, commit)
        return Tree(files)

    @cached_property
    def paths(self) -> list[str]:
        """Every file's path, sorted."""
        return sorted(self.files)

    @cached_property
    def folders(self) -> dict[str, str]:
        """Every folder's path and git tree id, the root's under the empty path."""
        return folder_ids(self.files)

    @cached_property
    def entries(self) -> list[str]:
        """Every file's and folder's path, sorted."""
        return sorted([*self.files, *(folder for folder in self.folders if folder)])

    def is_folder(self, path: str) -> bool:
        """Return whether anything lies below `path`, without computing folders."""
        prefix = f"{path}/"
        position = bisect_left(self.paths, prefix)
        return position < len(self.paths) and self.paths[position].startswith(prefix)

    def below(self, folder: str, *, recursive: bool) -> list[str]:
        """Return the paths of files and folders in `folder` (empty is the root), sorted."""
        prefix = f"{folder}/" if folder else ""
        entries = self.entries
        if folder:
            entries = entries[bisect_left(entries, prefix) : bisect_left(entries, folder + _AFTER_SLASH)]
        if recursive:
            return entries
        return [path for path in entries if "/" not in path[len(prefix) :]]


def apply_changes(
    files: dict[str, FileRecord], changes: Mapping[str, FileRecord | None], commit: str
) -> None:
    """Do to files by path what a commit does."""
    for path, file in changes.items():
        if file is None:
            files.pop(path, None)
        else:
            files[path] = msgspec.structs.replace(file, commit=commit)
