"""What can be wrong with one file of a model, and with the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_PROBLEMS = 100
"""How many problems are listed of one model, and files that lack for one reason."""
_LONGEST_PATH = 255


class Kind(str, Enum):
    """What sort of a problem it is."""

    MISSING = "missing"
    """Something that belongs to the model is not there."""
    BROKEN = "broken"
    """It is there, and wrong."""
    LEFTOVER = "leftover"
    """A download that was interrupted."""
    NOTE = "note"
    """Worth knowing, and no evidence that anything is missing."""


_WORST_FIRST = (Kind.BROKEN, Kind.MISSING, Kind.LEFTOVER, Kind.NOTE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: POSIX path in the model; a folder ends with a slash.
        what: A translated phrase that follows the path.
        kind: Its sort.
        hint: What to type next.
    """

    path: str
    what: str
    kind: Kind
    hint: str = ""


def bounded(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first problem of each path; beyond the limit they are one line, of their worst kind."""
    listed: dict[str, Problem] = {}
    others: set[Kind] = set()
    for problem in problems:
        if len(listed) < MOST_PROBLEMS or problem.path in listed:
            listed.setdefault(problem.path, problem)
        else:
            others.add(problem.kind)
    if not others:
        return list(listed.values())
    what = _("has more problems than the {count} that are listed").format(count=len(listed))
    worst = next(kind for kind in _WORST_FIRST if kind in others)
    return [*listed.values(), Problem("./", what, worst)]


def missing(files: Iterable[tuple[str, str]], count: int, *, whole: str) -> Iterator[Problem]:
    """Yield that files are missing; beyond the limit they are one line.

    Args:
        files: Path, and the phrase that follows it; only the first are taken.
        count: How many there are.
        whole: The path that lacks them, which the rest is listed under.
    """
    for path, what in islice(files, MOST_PROBLEMS):
        shown = path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"
        yield Problem(shown, what, Kind.MISSING)
    more = count - MOST_PROBLEMS
    if more > 0:
        lacks = ngettext("lacks {count} more file", "lacks {count} more files", more)
        yield Problem(whole, lacks.format(count=more), Kind.MISSING)
