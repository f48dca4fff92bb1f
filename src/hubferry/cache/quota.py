"""A limit that the cache keeps by itself: what was published and is longest unused makes room for a fetch.

Only directories of the written root are counted, and of these only our own are removed: nothing that is
pinned, held by a run, a link, another account's, or without records. Where all of that is too little, nothing
goes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import clean, retention
from hubferry.cache.listing import list_models
from hubferry.errors import DiskError, LockedError, UsageError
from hubferry.i18n import _, ngettext
from hubferry.units import read_size, size

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

    from hubferry.cache.listing import CachedModel, Listing
    from hubferry.cache.usage import Inode

VARIABLE = "HUBFERRY_CACHE_LIMIT"


@dataclass(frozen=True, slots=True)
class Need:
    """What a fetch needs.

    Attributes:
        size: Bytes that are yet to come into the root.
        lacking: Bytes that the disk lacks for them, zero or less where it has the room.
        model: The directory they are for, which stays.
    """

    size: int
    lacking: int
    model: Path


def limit(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the bytes that the cache may take, None where nothing limits it.

    Raises:
        UsageError: HUBFERRY_CACHE_LIMIT is not a size.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    found = read_size(text)
    if found is None:
        message = _("{variable}: {value!r} is not a size such as 500G")
        raise UsageError(message.format(variable=VARIABLE, value=text), hint=f"export {VARIABLE}=500G")
    return found


def make_room(
    root: Path, need: Need, most: int, on_removed: Callable[[CachedModel], None] = lambda _model: None
) -> list[CachedModel]:
    """Remove what has to go before a fetch fits below the limit, and on the disk as far as that helps.

    Args:
        root: The root that is written to.
        need: What is to fit.
        most: Bytes that the models of the root may take.
        on_removed: Called with each model that went.

    Returns:
        What was removed.

    Raises:
        DiskError: It cannot fit below the limit whatever goes; nothing was removed.
    """
    removed: list[CachedModel] = []
    stay = {need.model.resolve()}
    while True:
        listing = list_models([root])
        chosen = _choose(listing, need, most, stay, already=sum(model.frees for model in removed))
        if not chosen:
            return removed
        for model in chosen:
            try:
                clean.remove(model)
            except (LockedError, UsageError):  # held, pinned or made anew since it was listed: choose anew
                stay.add(model.path.resolve())
                break
            except DiskError:
                if clean.is_gone(model):  # another run made room, too
                    break
                raise
            removed.append(model)
            on_removed(model)
        else:
            return removed


def _choose(listing: Listing, need: Need, most: int, stay: set[Path], *, already: int) -> list[CachedModel]:
    models = {str(model.path): model for model in listing.models}
    candidates = [_candidate(name, model, stay) for name, model in models.items()]
    there = retention.total(candidates)
    below = retention.evict(candidates, there + need.size - most)
    if below is None:
        raise _does_not_fit(candidates, need, most)
    others = retention.Candidate("", 0.0, _held_elsewhere(listing), protected=True)
    on_disk = retention.evict([*candidates, others], need.lacking - already) or []
    return [models[name] for name in dict.fromkeys((*below, *on_disk))]


def _candidate(name: str, model: CachedModel, stay: set[Path]) -> retention.Candidate:
    protected = model.pinned or model.link_to is not None or model.ref is None or clean.is_only_read(model)
    return retention.Candidate(
        name,
        model.used,
        extents=dict(model.usage.bytes),
        published=bool(model.published),
        protected=protected or model.path.resolve() in stay or clean.is_held(model),
    )


def _held_elsewhere(listing: Listing) -> dict[Hashable, int]:
    """Return what has a name outside of the root, with its bytes: removing models there does not free it."""
    left: dict[Inode, int] = {}
    sizes: dict[Inode, int] = {}
    for model in listing.models:
        sizes |= model.usage.bytes
        for inode, count in model.usage.links.items():
            left[inode] = left.get(inode, count) - model.usage.names[inode]
    return {inode: sizes[inode] for inode, count in left.items() if count > 0}


def _does_not_fit(candidates: list[retention.Candidate], need: Need, most: int) -> DiskError:
    staying = [one for one in candidates if one.protected]
    if not staying:
        message = _("{needed} do not fit below {variable}={limit}, whatever goes")
        words = {"needed": size(need.size), "variable": VARIABLE, "limit": size(most)}
        return DiskError(
            message.format(**words),
            side="cache",
            path=str(need.model),
            hint=f"export {VARIABLE}={size(2 * need.size).replace(' ', '')}",
        )
    message = ngettext(
        "{needed} more do not fit below {variable}={limit}: {count} model, of {size}, is pinned, in use or "
        "without records",
        "{needed} more do not fit below {variable}={limit}: {count} models, of {size}, are pinned, in use or "
        "without records",
        len(staying),
    ).format(
        needed=size(need.size),
        variable=VARIABLE,
        limit=size(most),
        count=len(staying),
        size=size(retention.total(staying)),
    )
    hint = "hubferry cache list --sort used   # " + _("or a larger {variable}").format(variable=VARIABLE)
    return DiskError(message, side="cache", path=str(need.model), hint=hint)
