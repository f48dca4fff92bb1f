"""Find the models that a name means, and describe those alone.

Names of directories are read first. Where one of them is a whole name, only the records of those directories
are read that may be called the same; otherwise whose directories all of them are, and no more of each record.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from hubferry.cache import inventory, matching
from hubferry.cache.disk import disk, disk_errors
from hubferry.cache.listing import (
    CachedModel,
    Listing,
    describe,
    entries,
    is_model,
    list_models,
    no_such_model,
)
from hubferry.cache.manifest import MANIFEST
from hubferry.cache.matching import Called, Precision
from hubferry.cache.names import RECORDS
from hubferry.model import HubName, RepoRef, RepoType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class _Owner(msgspec.Struct, frozen=True):
    """What of a manifest tells whose directory it is; the rest is skipped."""

    hub: HubName
    repo_id: str
    repo_type: RepoType
    revision: str | None = None
    commit: str | None = None


_decoder = msgspec.json.Decoder(_Owner)


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of a root of which nothing but the name is known."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.root / self.name


@dataclass(frozen=True, slots=True)
class Found:
    """What a name means.

    Attributes:
        models: Each described.
        full: Whether it was the whole name of each.
    """

    models: tuple[CachedModel, ...]
    full: bool


def look_up(name: str, roots: Sequence[Path]) -> Found:
    """Return the models in these roots that `name` means: a whole name before a part of one, in any case.

    Raises:
        NotFoundError: It means none; the hint has the nearest names.
        DiskError: A root must not or cannot be read.
    """
    places = _places(roots)
    likely = [one for one in places if name == str(one.path) or matching.may_be_full(name, one.name)]
    called = [_called(place) for place in likely]
    found, precision = matching.find(name, called)
    if precision < Precision.FULL:
        known = dict(zip(likely, called, strict=True))
        likely, called = places, [known.get(place) or _called(place) for place in places]
        found, precision = matching.find(name, called)
    if not found:
        raise no_such_model(name, called)
    models = tuple(_describe(likely[number]) for number in found)
    if any(matching.precision(name, model.called) is not precision for model in models):
        models, precision = list_models(roots).find(name)  # a record that is not relied upon names nobody
    return Found(models, precision >= Precision.FULL)


def filtered(pattern: str, roots: Sequence[Path]) -> Listing:
    """List the models that a glob, or a part of a name, fits.

    Raises:
        NotFoundError: It fits none.
        DiskError: A root must not or cannot be read.
    """
    places = _places(roots)
    called = [_called(place) for place in places]
    chosen = [place for place, one in zip(places, called, strict=True) if matching.filtered(pattern, one)]
    if not chosen:
        raise no_such_model(pattern, called)
    return Listing(tuple(_describe(place) for place in chosen))


def _places(roots: Sequence[Path]) -> list[Place]:
    places: list[Place] = []
    for root in roots:
        with disk_errors(root):
            places += [Place(root, entry.name) for entry in entries(root) if is_model(entry)]
    return places


def _describe(place: Place) -> CachedModel:
    with disk_errors(place.path):
        return describe(place.path, place.root)


def _called(place: Place) -> Called:
    """Return what a directory may be called, by its name and whose it is."""
    called = Called(place.name, str(place.path))
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        owner = _decoder.decode(disk.read_bytes(place.path / RECORDS / MANIFEST))
        ref = RepoRef(owner.hub, owner.repo_id, owner.commit, owner.repo_type)
        return replace(called, ref=ref, revision=owner.revision)
    return called


def sharing(model: CachedModel, roots: Sequence[Path]) -> list[Called]:
    """Return what else in these roots stores some of a model's bytes; names and stat are read, no records.

    Raises:
        DiskError: A root must not or cannot be read.
    """
    usage = model.usage
    left = sum(links - usage.names[inode] for inode, links in usage.links.items())
    found: list[Called] = []
    for place in _places(roots) if left else ():
        if left <= 0:
            break
        if place.path == model.path or place.path.is_symlink():
            continue
        with suppress(OSError):  # what cannot be read tells nobody what it shares
            names = inventory.take(place.path).usage.names
            common = sum(names[inode] for inode in usage.links.keys() & names.keys())
            left -= common
            if common:
                found.append(_called(place))
    return found
