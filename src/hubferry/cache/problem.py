"""What can be wrong with one file of a model, and with the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What sort of a problem it is."""

    MISSING = "missing"
    """Something that belongs to the model is not there."""
    BROKEN = "broken"
    """It is there, and wrong."""
    LEFTOVER = "leftover"
    """A download that was interrupted."""


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
