"""What a listing has brought so far: each path once, and no more than a repository can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import IntegrityError, UnlistableError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.errors import Side
    from hubferry.model import RepoFile

MOST_FILES = 1_000_000
"""What goes on beyond is no listing: ten times the files that the hubs advise."""
_BYTES_AN_ENTRY = 256
"""Of names, on average: long ones are allowed, and few at a time."""


class EntriesFound:
    """The files and folders of one listing."""

    def __init__(self, name: str, side: Side, most: int = MOST_FILES) -> None:
        """Begin without any; `name` is the repository's, `most` counts files and folders together."""
        self._name = name
        self._side: Side = side
        self._most = most
        self._bytes = 0
        self.files: dict[str, RepoFile] = {}
        self.folders: set[str] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.files) + len(self.folders)

    def add(self, file: RepoFile) -> None:
        """Take in a file.

        Raises:
            IntegrityError: It was listed before, with different content.
            UnlistableError: There are too many.
        """
        known = self.files.setdefault(file.path, file)
        if known is file:
            self._weigh(file.path)
        elif known != file:
            raise IntegrityError(
                _("{path} is listed twice, with different content.").format(path=file.path),
                side=self._side,
                path=file.path,
            )

    def add_folder(self, path: str) -> None:
        """Take in a folder; raises as `add`."""
        if path not in self.folders:
            self.folders.add(path)
            self._weigh(path)

    def sorted(self) -> list[RepoFile]:
        """Return every file, sorted by path."""
        return [self.files[path] for path in sorted(self.files)]

    def endless(self) -> UnlistableError:
        """Say that the listing goes on beyond what a repository can hold."""
        message = _("The listing of {name} never ends.").format(name=self._name)
        return UnlistableError(message, side=self._side)

    def _weigh(self, path: str) -> None:
        self._bytes += len(path)
        if self.count > self._most or self._bytes > self._most * _BYTES_AN_ENTRY:
            raise self.endless()
