"""Decide what is to be done for each tag and branch, where it is made, and in which order. No I/O.

A mirror's default branch only ever goes forward in the source's history. A tag that comes later there than
what the branch holds is committed on it, before the head. One that comes earlier, or lies on a branch of the
source, is made beside it: on a temporary branch, which is removed when the tag is there. Where no branch can
be made, it is left out, and named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hubferry.i18n import _
from hubferry.names.model import LATEST, TEMPORARY, NamesPlan, NameStep, Place, Way
from hubferry.refs import is_revision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.catalog import Reference
    from hubferry.names.model import NameKind, Seen

_DEFAULTS = frozenset({"main", "master"})
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST = 200
_TURNS = (
    Way.SAME,
    Way.HERE,
    Way.LINE,
    Way.HEAD,
    Way.MARK,
    Way.BESIDE,
    Way.UPDATE,
    Way.MOVED,
    Way.LEFT_OUT,
)


def is_known(source: Reference, target: Reference | None, known: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether both sides say of a name what they said when it was last seen to be right."""
    if target is None or not source.mark or not target.mark:
        return False
    return known.get(source.name) == (source.mark, target.mark)


def plan_names(seen: Seen) -> NamesPlan:
    """Decide for each wanted name, in the order in which it is to be done."""
    tags = [_tag(seen, tag) for tag in seen.wanted_tags]
    branches = [_branch(seen, branch) for branch in seen.wanted_branches]
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
    place, marks = seen.places.get(tag.name), tag.name == seen.mark
    reason = unfit(seen, tag.name, "tag")
    if reason:
        beyond = not seen.powers.tags
        return NameStep(Way.LEFT_OUT, "tag", tag, there, reason, marks=marks, beyond=beyond)
    if there is not None:
        right = is_known(tag, there, seen.known) or seen.shown.get(tag.name, False)
        reason = "" if right else _moved(seen, tag)
        return NameStep(Way.SAME if right else Way.MOVED, "tag", tag, there, reason, marks=marks)
    way = _way(seen, tag, place)
    reason = _impossible(seen, tag.name, place) if way is Way.LEFT_OUT else ""
    return NameStep(way, "tag", tag, None, reason, place or LATEST, seen.commit_of(tag), marks)


def _way(seen: Seen, tag: Reference, place: Place | None) -> Way:
    """Return where a tag is made that is not there."""
    if tag.name == seen.mark:
        return Way.MARK
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
    words = {"name": ascii(name[:_LONGEST])[1:-1] if not name.isprintable() else name[:_LONGEST]}
    words["host"] = seen.powers.host
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
    if kind == "tag" and name in seen.branch_names:
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
    by_branch = {step.temporary: step for step in steps}
    found = [one for one in seen.target.branches if one.name.startswith(TEMPORARY)] if seen.target else []
    for branch in found:
        step = by_branch.get(branch.name)
        if step is not None and step.way is Way.BESIDE:
            continue
        if step is not None and step.target is not None and step.target.commit == branch.commit:
            leftovers.append(branch.name)
        else:
            strangers.append(branch.name)
    return tuple(leftovers), tuple(strangers)
