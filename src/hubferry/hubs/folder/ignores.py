"""What `.hubferryignore` files leave out, in gitignore's syntax. Its library is loaded when there is one."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.entries import IGNORE_FILE, printable
from hubferry.errors import DiskError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class Ignores:
    """The patterns that hold in a folder: those from above, then its own; the last that matches decides."""

    patterns: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def match(self, path: str) -> bool:
        """Return whether a path, a folder's with its slash, is left out."""
        for base, spec in reversed(self.patterns):
            decided = spec.check_file(path.removeprefix(base)).include
            if decided is not None:
                return decided
        return False

    def below(self, folder: str, place: Path) -> Ignores:
        """Return the patterns that hold in `folder`, which has an ignore file.

        Raises:
            DiskError: The file is there and cannot be read: what it leaves out must not go public.
            UsageError: A pattern means nothing.
        """
        base = f"{folder}/" if folder else ""
        path = place / IGNORE_FILE
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return self
            lines = path.read_bytes().decode("utf-8-sig", "surrogateescape").splitlines()
        except OSError as error:
            message = _("{path} cannot be read: {reason}")
            raise DiskError(
                message.format(path=printable(base + IGNORE_FILE), reason=error.strerror), side="source"
            ) from error
        return Ignores((*self.patterns, (base, _parsed(base + IGNORE_FILE, lines))))


def _parsed(path: str, lines: list[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        message = _("{path} has a pattern that means nothing: {reason}")
        raise UsageError(message.format(path=printable(path), reason=error), side="source") from error
