"""What is known of the names of two repositories, and what is to be done with them. Values only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.catalog import Reference, References
    from hubferry.names.rules import Names

NameKind = Literal["tag", "branch"]
_MOST_NOTES = 50
TEMPORARY = "hubferry-"
"""How the name of a temporary branch begins; `hubferry-tag-v1` becomes the tag v1."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is copied, and which names of it.

    Attributes:
        source: As it is typed, always with its hub.
        target: Likewise, or a folder.
        tags: Which tags are copied, each as a commit and a tag; None for none.
        branches: Which branches are copied besides the one itself; None for none.
        mark: A tag for what the copy publishes; None for none.
        same_tag: Whether the tag that the source is named by is that tag.
        by_file: Whether a mirror file says so, and options do not: for what people are told.
    """

    source: str
    target: str
    tags: Names | None = None
    branches: Names | None = None
    mark: str | None = None
    same_tag: bool = False
    by_file: bool = True


def is_wanted(name: str, rules: Names | None) -> bool:
    """Return whether rules take a name; without rules none is taken."""
    return rules is not None and rules.take(name)


class Way(str, Enum):
    """What is done with a name; the value is the word of `--json`."""

    SAME = "same"
    """It is there, and right."""
    HERE = "here"
    """The branch holds it as it stands now: it is tagged before anything is committed."""
    LINE = "line"
    """A commit on the branch, in order, then the tag."""
    HEAD = "head"
    """It is the source's head, which is copied anyhow."""
    MARK = "mark"
    """It marks what the copy publishes, whatever that is."""
    BESIDE = "beside"
    """A commit on a temporary branch, then the tag or the branch."""
    UPDATE = "update"
    """A branch that is there: what it lacks is copied to it."""
    MOVED = "moved"
    """A tag that is there with something else: it is left so, and the run fails."""
    LEFT_OUT = "left-out"
    """It cannot be made there; the reason says why."""


class Place(NamedTuple):
    """Where a commit is in the source's history; a later one is greater.

    Attributes:
        line: On the source's branch, counted back from its head, which is 0; of a commit beside it the one
            where it left the branch. Where the hub has no history, the time of the tag.
        off: Commits from the branch; 0 is on it.
    """

    line: float
    off: int = 0


HEAD = Place(0.0)
LATEST = Place(float("inf"))


@dataclass(frozen=True, slots=True)
class Powers:
    """What can be made at a target; `host` is what people know it by."""

    host: str
    tags: bool = True
    branches: bool = True


@dataclass(frozen=True)
class Seen:
    """What was found out about the names of both sides.

    Attributes:
        source: The source's.
        target: The target's, None where it is not there yet.
        powers: What can be made at the target.
        tags: Which tags are wanted, None for none.
        branches: Which branches are wanted, None for none.
        mark: A tag for what the copy publishes, empty for none; it is among the source's.
        head: The source's head, empty where the hub names no commit.
        known: What an earlier run left right, by name: what both sides said of it then.
        fresh: Whether nobody reads the target's branch yet: it is not there, or empty.
        holds: Where in the source's history the target's branch is; None where nobody can tell.
        commits: What annotated tags of the source point to, by name.
        places: Where in the source's history those are that have to be made; None where nobody can tell.
        shown: Of tags that are there and not known: whether they show what the source's show.
        here: Tags that the target's branch shows as it stands.
    """

    source: References
    target: References | None
    powers: Powers
    tags: Names | None = None
    branches: Names | None = None
    mark: str = ""
    head: str = ""
    known: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    fresh: bool = False
    holds: Place | None = None
    commits: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    shown: Mapping[str, bool] = field(default_factory=dict)
    here: frozenset[str] = frozenset()

    @cached_property
    def wanted_tags(self) -> tuple[Reference, ...]:
        """The tags of the source that are wanted."""
        return tuple(
            tag for tag in self.source.tags if tag.name == self.mark or is_wanted(tag.name, self.tags)
        )

    @cached_property
    def wanted_branches(self) -> tuple[Reference, ...]:
        """The branches that are wanted besides the default one, which is copied anyhow."""
        others = (one for one in self.source.branches if one.name != self.source.default)
        return tuple(
            one for one in others if is_wanted(one.name, self.branches) and not one.name.startswith(TEMPORARY)
        )

    @cached_property
    def branch_names(self) -> frozenset[str]:
        """The names that are, or become, branches of the target."""
        there = self.target.branches if self.target else ()
        return frozenset(one.name for one in (*self.wanted_branches, *there))

    def commit_of(self, tag: Reference) -> str:
        """Return the commit that a tag or branch of the source means, empty where nobody says."""
        return self.commits.get(tag.name) or tag.commit or ""


@dataclass(frozen=True, slots=True)
class NameStep:
    """One tag or branch.

    Attributes:
        way: What is done with it.
        kind: What it is.
        source: As the source has it.
        target: As the target has it, None where it has not.
        reason: Why it is left out, or what is wrong with it; translated.
        place: For the order.
        commit: The source's commit that it means, empty where the hub names none.
        marks: Whether it is a tag for what the copy publishes, which the source need not have.
        beyond: Whether it is left out because the target has no such names at all.
    """

    way: Way
    kind: NameKind
    source: Reference
    target: Reference | None = None
    reason: str = ""
    place: Place = LATEST
    commit: str = ""
    marks: bool = False
    beyond: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.source.name

    @property
    def temporary(self) -> str:
        """The branch that it is made on where the target's own must not show it."""
        return f"{TEMPORARY}{self.kind}-{self.name}"


@dataclass(frozen=True, slots=True)
class NamesPlan:
    """What is to be done, in this order.

    Attributes:
        steps: One a name.
        leftovers: Temporary branches of an earlier run whose name is there: to be removed.
        strangers: Other branches that look like one: left, and named.
    """

    steps: tuple[NameStep, ...] = ()
    leftovers: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()

    def of(self, *ways: Way) -> tuple[NameStep, ...]:
        """Return the steps whose way is one of `ways`."""
        return tuple(step for step in self.steps if step.way in ways)

    @property
    def to_make(self) -> tuple[NameStep, ...]:
        """The tags and branches that are to be made, or to be changed."""
        return self.of(Way.HERE, Way.LINE, Way.HEAD, Way.MARK, Way.BESIDE, Way.UPDATE)

    @property
    def nothing_to_do(self) -> bool:
        """Whether every name that can be is there, and right."""
        return not self.leftovers and len(self.of(Way.SAME, Way.LEFT_OUT)) == len(self.steps)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: what is left out, and why; what is in the way."""
        left = _("{branch} at the target looks like a temporary branch of hubferry; it is left there")
        found = [step.reason for step in self.of(Way.LEFT_OUT, Way.MOVED)]
        found += [left.format(branch=name) for name in self.strangers]
        if len(found) <= _MOST_NOTES:
            return tuple(found)
        more = len(found) - _MOST_NOTES
        message = ngettext("and {count} more of the kind", "and {count} more of the kind", more)
        return (*found[:_MOST_NOTES], message.format(count=more))
