"""Decide what is to be done for each tag and branch, where it is made, and in which order. No I/O.

A mirror's default branch only ever goes forward in the source's history. A tag that comes later there than
what the branch holds is committed on it, before the head. One that comes earlier, or lies on a branch of the
source, is made beside it: on a temporary branch, which is removed when the tag is there. Where no branch can
be made, it is left out, and named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple

from hubferry.i18n import _
from hubferry.refs import is_revision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.catalog import Reference, References
    from hubferry.sync.spec import Names

NameKind = Literal["tag", "branch"]
TEMPORARY = "hubferry-"
"""How the name of a temporary branch begins; `hubferry-tag-v1` becomes the tag v1."""
_DEFAULTS = frozenset({"main", "master"})
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST = 200


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
    BESIDE = "beside"
    """A commit on a temporary branch, then the tag or the branch."""
    UPDATE = "update"
    """A branch that is there: what it lacks is copied to it."""
    MOVED = "moved"
    """A tag that is there with something else: it is left so, and the run fails."""
    LEFT_OUT = "left-out"
    """It cannot be made there; the reason says why."""


_TURNS = (Way.SAME, Way.HERE, Way.LINE, Way.HEAD, Way.BESIDE, Way.UPDATE, Way.MOVED, Way.LEFT_OUT)


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


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out about the names of both sides.

    Attributes:
        source: The source's.
        target: The target's, None where it is not there yet.
        powers: What can be made at the target.
        tags: Which tags are wanted, None for none.
        branches: Which branches are wanted, None for none.
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
    head: str = ""
    known: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    fresh: bool = False
    holds: Place | None = None
    commits: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    shown: Mapping[str, bool] = field(default_factory=dict)
    here: frozenset[str] = frozenset()

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
    """

    way: Way
    kind: NameKind
    source: Reference
    target: Reference | None = None
    reason: str = ""
    place: Place = LATEST
    commit: str = ""

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
        return self.of(Way.HERE, Way.LINE, Way.HEAD, Way.BESIDE, Way.UPDATE)

    @property
    def nothing_to_do(self) -> bool:
        """Whether every name that can be is there, and right."""
        return not self.leftovers and len(self.of(Way.SAME, Way.LEFT_OUT)) == len(self.steps)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: what is left out, and why; what is in the way."""
        left = _("{branch} at the target looks like a temporary branch of hubferry; it is left there")
        return (
            *(step.reason for step in self.of(Way.LEFT_OUT, Way.MOVED)),
            *(left.format(branch=name) for name in self.strangers),
        )


def is_wanted(name: str, rules: Names | None) -> bool:
    """Return whether rules take a name; without rules none is taken."""
    return rules is not None and rules.take(name)


def wanted_tags(source: References, rules: Names | None) -> list[Reference]:
    """Return the tags of the source that are wanted."""
    return [tag for tag in source.tags if is_wanted(tag.name, rules)]


def wanted_branches(source: References, rules: Names | None) -> list[Reference]:
    """Return the branches that are wanted besides the default one, which is copied anyhow."""
    return [
        branch
        for branch in source.branches
        if is_wanted(branch.name, rules)
        and branch.name != source.default
        and not branch.name.startswith(TEMPORARY)
    ]


def is_known(source: Reference, target: Reference | None, known: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether both sides say of a name what they said when it was last seen to be right."""
    if target is None or not source.mark or not target.mark:
        return False
    return known.get(source.name) == (source.mark, target.mark)


def plan_names(seen: Seen) -> NamesPlan:
    """Decide for each wanted name, in the order in which it is to be done."""
    tags = [_tag(seen, tag) for tag in wanted_tags(seen.source, seen.tags)]
    branches = [_branch(seen, branch) for branch in wanted_branches(seen.source, seen.branches)]
    steps = sorted([*tags, *branches], key=_turn)
    leftovers, strangers = _temporary(seen, steps)
    return NamesPlan(tuple(steps), leftovers, strangers)


def _turn(step: NameStep) -> tuple[object, ...]:
    """Return what orders steps: what is done first, the places in the source's history, numbers in names."""
    parts = re.split(r"([0-9]+)", step.name)
    natural = [int(part[:_LONGEST]) if at % 2 else part for at, part in enumerate(parts)]
    return _TURNS.index(step.way), step.kind != "tag", step.place, natural


def _tag(seen: Seen, tag: Reference) -> NameStep:
    there = seen.target.tag(tag.name) if seen.target else None
    place = seen.places.get(tag.name)
    reason = unfit(seen, tag.name, "tag")
    if reason:
        return NameStep(Way.LEFT_OUT, "tag", tag, there, reason)
    if there is not None:
        right = is_known(tag, there, seen.known) or seen.shown.get(tag.name, False)
        reason = "" if right else _moved(seen, tag)
        return NameStep(Way.SAME if right else Way.MOVED, "tag", tag, there, reason)
    way = _way(seen, tag, place)
    reason = _impossible(seen, tag.name, place) if way is Way.LEFT_OUT else ""
    return NameStep(way, "tag", tag, None, reason, place or LATEST, seen.commit_of(tag))


def _way(seen: Seen, tag: Reference, place: Place | None) -> Way:
    """Return where a tag is made that is not there."""
    if tag.name in seen.here:
        return Way.HERE
    if seen.head and seen.commit_of(tag) == seen.head:
        return Way.HEAD
    beside = Way.BESIDE if seen.powers.branches else Way.LEFT_OUT
    if place is None:
        return beside
    if seen.fresh:
        return Way.LINE if place.off == 0 or not seen.powers.branches else Way.BESIDE
    is_later = seen.holds is not None and place > seen.holds
    return Way.LINE if is_later and place.off == 0 else beside


def _branch(seen: Seen, branch: Reference) -> NameStep:
    there = seen.target.branch(branch.name) if seen.target else None
    reason = unfit(seen, branch.name, "branch")
    if reason:
        return NameStep(Way.LEFT_OUT, "branch", branch, there, reason)
    if there is not None:
        known = branch.commit and there.commit and is_known(branch, there, seen.known)
        return NameStep(
            Way.SAME if known else Way.UPDATE, "branch", branch, there, commit=branch.commit or ""
        )
    if seen.powers.branches:
        return NameStep(Way.BESIDE, "branch", branch, commit=branch.commit or "")
    message = _(
        "branch {name}: {host} has no call that makes a branch; once it is made on the website, it is kept"
    )
    reason = message.format(name=branch.name, host=seen.powers.host)
    return NameStep(Way.LEFT_OUT, "branch", branch, None, reason)


def unfit(seen: Seen, name: str, kind: NameKind) -> str:
    """Return why a name cannot be one at the target, or cannot be asked for, empty where it can."""
    words = {"name": name, "host": seen.powers.host}
    if not seen.powers.tags:
        return _("{name}: a folder has neither tags nor branches").format(**words)
    if not is_revision(name) or "@" in name or len(name.encode(errors="replace")) > _LONGEST:
        return _("{name}: that can be no name of a tag or branch at {host}").format(**words)
    if _COMMIT.fullmatch(name):
        return _("{name}: at {host} that would be taken for a commit").format(**words)
    if name in _DEFAULTS:
        return _("{name}: at {host} that is the default branch").format(**words)
    return _taken(seen, name, kind)


def _taken(seen: Seen, name: str, kind: NameKind) -> str:
    """Return why a name means something else at the target: a tag and a branch cannot be told apart there."""
    words = {"name": name, "host": seen.powers.host}
    branches = [branch.name for branch in wanted_branches(seen.source, seen.branches)]
    branches += [branch.name for branch in seen.target.branches] if seen.target else []
    if kind == "tag" and name in branches:
        return _("tag {name}: a branch at {host} has that name").format(**words)
    if kind == "branch" and seen.target and seen.target.tag(name):
        return _("branch {name}: a tag at {host} has that name").format(**words)
    return ""


def _impossible(seen: Seen, name: str, place: Place | None) -> str:
    words = {"name": name, "host": seen.powers.host}
    if place is None or (seen.holds is None and not seen.fresh):
        message = _(
            "tag {name}: whether it is older than what the branch at {host} holds is not known, "
            "and no branch can be made there for it"
        )
    elif place.off:
        message = _("tag {name}: it is on a branch of the source, and no branch can be made at {host} for it")
    else:
        message = _(
            "tag {name}: it is older than what the branch at {host} holds, "
            "and no branch can be made there for it"
        )
    return message.format(**words)


def _moved(seen: Seen, tag: Reference) -> str:
    message = _("tag {name} at {host} is not what it is at the source; it is left as it is")
    return message.format(name=tag.name, host=seen.powers.host)


def _temporary(seen: Seen, steps: list[NameStep]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the branches that an earlier run left: those to remove, and those that nobody can vouch for.

    One is removed only where the name that it was made for points to the same commit: nothing is lost then.
    """
    leftovers, strangers = [], []
    found = [one for one in seen.target.branches if one.name.startswith(TEMPORARY)] if seen.target else []
    for branch in found:
        step = next((step for step in steps if step.temporary == branch.name), None)
        if step is not None and step.way is Way.BESIDE:
            continue
        if step is not None and step.target is not None and step.target.commit == branch.commit:
            leftovers.append(branch.name)
        else:
            strangers.append(branch.name)
    return tuple(leftovers), tuple(strangers)
