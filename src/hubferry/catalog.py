"""What a hub says about repositories and accounts apart from files. Values only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.model import RepoRef, Revision

_MILLISECONDS = 1e11
"""No time in seconds is that late: a larger number counts milliseconds."""


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository as its hub describes it; None wherever the hub says nothing.

    Attributes:
        ref: Its name, and the revision that was asked for.
        revision: The pinned revision; None in a list of an owner's repositories.
        private: Whether anonymous readers are kept out.
        gated: Whether terms must be accepted first.
        license: The licence's identifier as the hub has it.
        changed: Last change, in seconds since 1970.
        created: Likewise.
        tags: As the hub has them.
        pipeline: The task it is for, as `text-generation`: the first where the hub names several.
    """

    ref: RepoRef
    revision: Revision | None = None
    private: bool | None = None
    gated: bool | None = None
    license: str | None = None
    changed: float | None = None
    created: float | None = None
    tags: tuple[str, ...] = ()
    pipeline: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A branch or a tag of a repository.

    Attributes:
        name: Without `refs/heads/` or `refs/tags/`.
        commit: What it points to, None where the hub does not say. Of an annotated tag some hubs name the
            tag itself here, which is no commit; asking for the revision of that name gives the commit.
        created: When it was made, in seconds since 1970; None where the hub does not say.
    """

    name: str
    commit: str | None = None
    created: float | None = None

    @property
    def mark(self) -> str:
        """What tells this meaning of the name from another one: the commit, else the time; empty for none."""
        if self.commit:
            return self.commit
        return "" if self.created is None else f"created {self.created:.0f}"


@dataclass(frozen=True)
class References:
    """The branches and tags of a repository.

    Attributes:
        default: The branch that is meant where none is named.
        branches: By name.
        tags: By name.
    """

    default: str
    branches: tuple[Reference, ...] = ()
    tags: tuple[Reference, ...] = ()

    def branch(self, name: str) -> Reference | None:
        """Return the branch of a name."""
        return self._branches.get(name)

    def tag(self, name: str) -> Reference | None:
        """Return the tag of a name."""
        return self._tags.get(name)

    @cached_property
    def _branches(self) -> dict[str, Reference]:
        return {one.name: one for one in self.branches}

    @cached_property
    def _tags(self) -> dict[str, Reference]:
        return {one.name: one for one in self.tags}

    @property
    def head(self) -> str | None:
        """The commit that the default branch is at, None where the hub does not say."""
        found = self.branch(self.default)
        return None if found is None else found.commit


@dataclass(frozen=True, slots=True)
class PastCommit:
    """A commit of a repository's history; `time` is in seconds since 1970, None where nobody says."""

    commit: str
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """The repositories of one owner that this account may see.

    Attributes:
        owner: Whose they are: `repo_id` is the owner's name.
        repositories: By name.
        total: How many there are, where the hub says so; it may list fewer.
    """

    owner: RepoRef
    repositories: tuple[Repository, ...]
    total: int | None = None

    @property
    def complete(self) -> bool:
        """Whether all of them are listed, as far as is known."""
        return self.total is None or len(self.repositories) >= self.total


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is.

    Attributes:
        name: The account's.
        role: What the token may do, as the hub calls it: `read`, `write`, `fineGrained`; None if unsaid.
        roles: The account's role in each organisation that the hub names.
    """

    name: str
    role: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads_only(self) -> bool:
        """Whether the token may write nowhere."""
        return self.role == "read"

    @property
    def namespaces(self) -> frozenset[str]:
        """The owners whose repositories it may write, as far as roles say."""
        return frozenset({self.name, *(name for name, role in self.roles.items() if role != "read")})


def moment_of(value: Any) -> float | None:
    """Return a hub's time as seconds since 1970: a number of seconds or milliseconds, or ISO 8601."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        if not isinstance(value, str):
            return _within(float(value))
        if value.isascii() and value.isdigit():
            return _within(float(value[:20]))
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _within(number: float) -> float | None:
    seconds = number / 1000 if number > _MILLISECONDS else number
    return seconds if 0 < seconds < _MILLISECONDS else None
