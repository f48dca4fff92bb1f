"""What goes beside the files of a copy: tags, branches, a pull request. Values only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PlannedName:
    """A tag or branch that goes with a plan.

    Attributes:
        name: Its name.
        kind: What it is.
        way: What is done with it, as `hubferry.names.model.Way` has it: `left-out` and `moved` make nothing.
        reason: Why it is left out, or what is wrong with it; translated.
    """

    name: str
    kind: Literal["tag", "branch"]
    way: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request of Hugging Face's: commits beside the branches, which somebody there may take in.

    Attributes:
        number: Of the discussion.
        url: Its page.
        draft: Whether it is not shown as open yet.
    """

    number: int
    url: str
    draft: bool = False

    @property
    def revision(self) -> str:
        """The name under which its commits are read and written."""
        return f"refs/pr/{self.number}"


@dataclass(frozen=True, slots=True)
class NameCopied:
    """A tag or branch as it was left at the target.

    Attributes:
        name: As the source has it.
        kind: What it is.
        source_commit: What the source's list of names says of it: the commit, or where that hub names none
            the time, as `created 1700000000`; of the default branch what was copied.
        target_commit: The same of the target.
    """

    name: str
    kind: Literal["tag", "branch"]
    source_commit: str
    target_commit: str
