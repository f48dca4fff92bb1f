"""Which models a name means: a whole name before a part of one. Pure: names go in, positions come out."""

from __future__ import annotations

import difflib
import fnmatch
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.model import RepoRef

_NEAREST = 3
_ALIKE = 0.6
"""How much two names have in common before one may be a slip for the other."""
_CUT = 170
"""Bytes from which the name of a directory may have been cut; see `names.safe_name`."""
_DERIVED = re.compile(r"(?P<base>[\w.]+)(?:-[0-9a-f]{8})?(?:@[A-Za-z0-9._-]+)?")


class Precision(IntEnum):
    """How much of a model's name was given; the most precise wins."""

    NONE = 0
    PART = 1
    OWN = 2
    """The repository's name without its owner."""
    FULL = 3
    """The directory, its path, or the repository with its owner, whatever the case."""
    LITERAL = 4


@dataclass(frozen=True, slots=True)
class Called:
    """What a directory may be called.

    Attributes:
        directory: Its name.
        path: Where it is.
        ref: Whose it is, where that is recorded; the revision is the commit.
        revision: The name that it is kept for, None for the default branch.
    """

    directory: str
    path: str
    ref: RepoRef | None = None
    revision: str | None = None

    @property
    def title(self) -> str:
        """What a person calls it: the repository and its revision where known, else the directory."""
        return self.directory if self.ref is None else title_of(self.ref, self.revision)

    @property
    def _ending(self) -> str:
        return "" if self.revision is None else f"@{self.revision}"

    @property
    def full(self) -> tuple[str, ...]:
        """Names that mean this one and no other of its root."""
        if self.ref is None:
            return self.directory, self.path
        kind = "datasets/" if self.ref.repo_type == "dataset" else ""
        prefix, name = self.ref.prefix, self.ref.repo_id + self._ending
        named = f"{prefix}:{name}", f"{prefix}:{kind}{name}", kind + name
        return self.directory, name, *named, str(self.ref), self.path

    @property
    def own(self) -> str:
        """The name without the owner; of a directory without records what follows its first underscore."""
        if self.ref is None:
            return self.directory.partition("_")[2]
        return self.ref.name + self._ending

    @property
    def parts(self) -> tuple[str, ...]:
        """Names that a part may be taken of."""
        if self.ref is None:
            return (self.directory,)
        return self.directory, f"{self.ref.prefix}:{self.ref.repo_id}{self._ending}"


def title_of(ref: RepoRef, revision: str | None) -> str:
    """Return what a person calls a repository that is kept for a revision; a named hub is told."""
    hub = "" if ref.named is None else f"{ref.named}:"
    return hub + ref.repo_id + ("" if revision is None else f"@{revision}")


def precision(name: str, called: Called) -> Precision:
    """Return how precisely `name` means what is called so."""
    full = called.full
    if name in full:
        return Precision.LITERAL
    folded = name.casefold()
    if any(folded == one.casefold() for one in full):
        return Precision.FULL
    if folded == called.own.casefold():
        return Precision.OWN
    return Precision.PART if any(folded in one.casefold() for one in called.parts) else Precision.NONE


def find(name: str, there: Sequence[Called]) -> tuple[list[int], Precision]:
    """Return which of these `name` means, by their places in the sequence, and how precisely."""
    found = [precision(name, called) for called in there]
    best = max(found, default=Precision.NONE)
    if best is Precision.NONE:
        return [], best
    return [number for number, one in enumerate(found) if one is best], best


def filtered(pattern: str, called: Called) -> bool:
    """Return whether a glob, or a part of a name, fits what is called so, in any case."""
    folded = pattern.casefold()
    if not re.search(r"[*?\[]", pattern):
        return any(folded in one.casefold() for one in called.parts)
    names = {*called.full, called.own}
    return any(fnmatch.fnmatchcase(one.casefold(), folded) for one in names)


def nearest(name: str, there: Sequence[Called]) -> list[str]:
    """Return the titles, three at most, that `name` may be a slip for, the likeliest first."""
    wanted = _plain(name)
    spellings: dict[str, list[str]] = {}
    for called in there:
        for spelling in {_plain(called.title), _plain(called.own), _plain(called.directory)}:
            spellings.setdefault(spelling, []).append(called.title)
    alike = difflib.get_close_matches(wanted, spellings, n=2 * _NEAREST, cutoff=_ALIKE)
    return list(dict.fromkeys(title for one in alike for title in sorted(spellings[one])))[:_NEAREST]


def may_be_full(name: str, directory: str) -> bool:
    """Return whether a directory may have the full name `name`, as far as its own name tells.

    A directory is named after its repository (`names.directory_names`); one whose name no repository leads to
    may be anybody's.
    """
    base, folded = _derived(directory), name.casefold()
    if base is None or directory.casefold() == folded or folded.endswith(f"/{directory.casefold()}"):
        return True
    repository = folded.partition("@")[0].rpartition(":")[2].removeprefix("datasets/")
    return _plain(base) == _plain(repository) or len(directory.encode(errors="surrogateescape")) >= _CUT


def _derived(directory: str) -> str | None:
    """Return the part of a directory's name that tells the repository; None where none leads to it."""
    match = _DERIVED.fullmatch(directory)
    return None if match is None else match["base"]


def _plain(text: str) -> str:
    """Return letters and digits alone, in one case, with one mark for all else."""
    return re.sub(r"[\W_]", "_", text).casefold()
