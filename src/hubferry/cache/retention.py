"""Decide which cached models to let go of. Pure: what is known goes in, names and reasons come out.

A model goes when any of the limits wants it gone and nothing protects it; the oldest use goes first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

_WORTH_IT = 0.1
"""Part of a model's bytes below which removing it is not worth what it frees."""


class Reason(str, Enum):
    """Why a model goes."""

    PARTIAL = "partial"
    OLD = "old"
    SURPLUS = "surplus"
    """More recently used ones are enough."""
    SIZE = "size"
    """The cache is larger than it may be."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What to keep. A limit that is None demands nothing.

    Attributes:
        max_size: Bytes that all models together may take on the disk.
        older_than: Seconds since the last use after which a model goes.
        keep_last: The most recently used ones, which stay whatever the other limits say; without another
            limit everything else goes.
        partial: Whether unfinished models go, however old.
        keep_unpublished: Whether models stay that were not yet proven to be at a destination.
    """

    max_size: int | None = None
    older_than: float | None = None
    keep_last: int | None = None
    partial: bool = False
    keep_unpublished: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all would ever go."""
        return (self.max_size, self.older_than, self.keep_last) == (None, None, None) and not self.partial


@dataclass(frozen=True, slots=True)
class Candidate:
    """What retention has to know about one model.

    Attributes:
        name: Tells it from the others.
        used: Last use, in seconds since 1970.
        extents: Bytes on the disk by what they are stored in; two models that share a key share the bytes.
        partial: Whether its transfer never finished.
        published: Whether it was proven to be at a destination.
        protected: Whether it is pinned, or a running transfer holds it.
    """

    name: str
    used: float
    extents: Mapping[Hashable, int] = field(default_factory=dict)
    partial: bool = False
    published: bool = False
    protected: bool = False


def choose(candidates: Sequence[Candidate], policy: Policy, *, now: float) -> dict[str, Reason]:
    """Return which models go, and why, the oldest use first.

    Args:
        candidates: Every model there is; those that stay count for the size.
        policy: What to keep.
        now: Seconds since 1970.
    """
    oldest_first = sorted(candidates, key=lambda candidate: (candidate.used, candidate.name))
    reasons: dict[str, Reason] = {}
    finished = [candidate for candidate in oldest_first if not (policy.partial and candidate.partial)]
    recent = {one.name for one in finished[max(0, len(finished) - (policy.keep_last or 0)) :]}
    removable = [one for one in oldest_first if not _stays(one, policy)]
    for candidate in removable:
        if policy.partial and candidate.partial:
            reasons[candidate.name] = Reason.PARTIAL
        elif candidate.name in recent:
            continue
        elif policy.older_than is not None and now - candidate.used > policy.older_than:
            reasons[candidate.name] = Reason.OLD
        elif policy.keep_last is not None and policy.older_than is None and policy.max_size is None:
            reasons[candidate.name] = Reason.SURPLUS
    if policy.max_size is not None:
        spare = [one for one in removable if one.name not in recent]
        reasons |= _shrink(oldest_first, spare, reasons, policy.max_size)
    return {one.name: reasons[one.name] for one in oldest_first if one.name in reasons}


def _stays(candidate: Candidate, policy: Policy) -> bool:
    return candidate.protected or (policy.keep_unpublished and not candidate.published)


def _shrink(
    everything: Sequence[Candidate], spare: Sequence[Candidate], going: Mapping[str, Reason], most: int
) -> dict[str, Reason]:
    """Return which of `spare` have to go as well until the rest takes no more than `most` bytes."""
    staying = [candidate for candidate in everything if candidate.name not in going]
    holders, left = _holders(staying), total(staying)
    gone: list[Candidate] = []
    for candidate in spare:
        if left <= most:
            break
        if candidate.name not in going:
            left -= _let_go(candidate, holders)
            gone.append(candidate)
    needless = _needless(gone, holders, most - left)
    return {candidate.name: Reason.SIZE for candidate in gone if candidate.name not in needless}


def _let_go(candidate: Candidate, holders: Counter[Hashable]) -> int:
    """Take a candidate out of the holders of its bytes; return how many nobody holds any more."""
    holders.subtract(candidate.extents.keys())
    return _alone(candidate, holders)


def _alone(candidate: Candidate, holders: Counter[Hashable]) -> int:
    """Return the bytes of a candidate that none of the holders has."""
    return sum(size for extent, size in candidate.extents.items() if not holders[extent])


def _needless(gone: Sequence[Candidate], holders: Counter[Hashable], room: int) -> set[str]:
    """Return which of those that go free so little that the others are enough, the last used first.

    Args:
        gone: In the order in which they go; a revision may have all its bytes by links to others.
        holders: Of each extent, without them.
        room: Bytes that they free beyond what is wanted.
    """
    needless: set[str] = set()
    for candidate in reversed(gone):
        back = _alone(candidate, holders)
        if back <= room and back <= _WORTH_IT * sum(candidate.extents.values()):
            room -= back
            holders.update(candidate.extents.keys())
            needless.add(candidate.name)
    return needless


def evict(candidates: Sequence[Candidate], wanted: int) -> list[str] | None:
    """Return which models have to go before `wanted` bytes are free; None where all are too little.

    Published ones go first, those longest unused before others; then the rest in the same order. One whose
    bytes others hold as well stays, where those that go are enough without it.

    Args:
        candidates: Every model there is; bytes that one which stays has as well are not freed.
        wanted: Bytes to free; nothing goes for none.
    """
    holders = _holders(candidates)
    order = sorted(
        (one for one in candidates if not one.protected),
        key=lambda one: (not one.published, one.used, one.name),
    )
    gone: list[Candidate] = []
    for candidate in order:
        if wanted <= 0:
            break
        wanted -= _let_go(candidate, holders)
        gone.append(candidate)
    if wanted > 0:
        return None
    needless = _needless(gone, holders, -wanted)
    return [one.name for one in gone if one.name not in needless]


def total(candidates: Iterable[Candidate]) -> int:
    """Return the bytes that these models take together."""
    together: dict[Hashable, int] = {}
    for candidate in candidates:
        together |= candidate.extents
    return sum(together.values())


def _holders(candidates: Iterable[Candidate]) -> Counter[Hashable]:
    """Count the models that each extent is stored for."""
    holders: Counter[Hashable] = Counter()
    for candidate in candidates:
        holders.update(candidate.extents.keys())
    return holders
