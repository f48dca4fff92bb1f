"""What a look finds before anything moves: what is left out, what should be known, what would stop the run.

Values only, no I/O. One noun for all who look: the survey of a folder, the guard of a hub's listing, the
questions to a destination. A plan carries them, prints them, and is refused by those that have an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.errors import HubferryError


NOT_SAID = "other-namespace"
"""Code of the one thing that only creating the repository tells."""
EMPTY_FOLDER = "empty-folder"
"""The one code of something left out under which there was nothing."""


class Kind(str, Enum):
    """What follows from a finding; the value is the word of `--json`."""

    LEFT_OUT = "left-out"
    """An entry is not copied, and nothing stands in its place."""
    WARNING = "warning"
    """The run goes on."""
    REFUSED = "refused"
    """Nothing moves before this is mended, or allowed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know before anything moves.

    Attributes:
        kind: What follows from it.
        code: A stable, untranslated word for it, as `broken-link`.
        message: A translated sentence that names what it is about.
        path: The entry of the source that it is about, POSIX; a folder ends in `/`. None for the whole run.
        error: Of a refusal, what is raised.
    """

    kind: Kind
    code: str
    message: str
    path: str | None = None
    error: HubferryError | None = None

    @property
    def concerns_one_entry(self) -> bool:
        """Whether the other entries may go on without it."""
        return self.path is not None

    @property
    def sentence(self) -> str:
        """The message, with what follows from it."""
        words = {Kind.LEFT_OUT: _("left out"), Kind.WARNING: _("warning"), Kind.REFUSED: _("refused")}
        return _("{kind}: {message}").format(kind=words[self.kind], message=self.message)

    @property
    def hides(self) -> bool:
        """Whether something may be at its path that no listing shows: nobody may take it for gone."""
        return self.kind is not Kind.WARNING and self.code != EMPTY_FOLDER


def left_out(code: str, message: str, path: str) -> Finding:
    """Say that an entry is not copied."""
    return Finding(Kind.LEFT_OUT, code, message, path)


def warning(code: str, message: str, path: str | None = None) -> Finding:
    """Say what should be known, and stops nothing."""
    return Finding(Kind.WARNING, code, message, path)


def refused(code: str, error: HubferryError) -> Finding:
    """Say what stops the run, or this entry where `error` has a path."""
    return Finding(Kind.REFUSED, code, error.message, error.path, error)


def refusals(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that stop something."""
    return [finding for finding in findings if finding.error is not None]


def together(errors: Sequence[HubferryError]) -> HubferryError:
    """Return the first of several errors, which carries the others: all that has to be mended is seen."""
    first, *others = errors
    first.others = tuple(others)
    return first
