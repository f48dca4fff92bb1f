"""Find the models that a name means, and describe those alone.

Names of directories are read first. Where one of them is a whole name, only the records of those directories
are read that may be called the same; otherwise whose directories all of them are, and no more of each record.
"""

from __future__ import annotations

import os
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
from hubferry.cache.manifest import LARGEST, MANIFEST
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
    endpoint: str | None = None
    named: str | None = None


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
    called = [called_of(place) for place in likely]
    found, precision = matching.find(name, called)
    if precision < Precision.FULL:
        known = dict(zip(likely, called, strict=True))
        likely, called = places, [known.get(place) or called_of(place) for place in places]
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
    called = [called_of(place) for place in places]
    chosen = [place for place, one in zip(places, called, strict=True) if matching.filtered(pattern, one)]
    if not chosen:
        raise no_such_model(pattern, called)
    models: list[CachedModel] = []
    for place in chosen:
        with disk_errors(place.path), suppress(FileNotFoundError):  # somebody removed it while this looked
            models.append(describe(place.path, place.root))
    return Listing(tuple(models))


def _places(roots: Sequence[Path]) -> list[Place]:
    places: list[Place] = []
    for root in roots:
        with disk_errors(root):
            places += [Place(root, entry.name) for entry in entries(root) if is_model(entry)]
    return places


def _describe(place: Place) -> CachedModel:
    with disk_errors(place.path):
        return describe(place.path, place.root)


def called_of(place: Place) -> Called:
    """Return what a directory may be called, by its name and whose it is."""
    called = Called(place.name, str(place.path))
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        owner = _decoder.decode(disk.read_record(place.path / RECORDS / MANIFEST, LARGEST) or b"")
        ref = RepoRef(owner.hub, owner.repo_id, owner.commit, owner.repo_type, owner.endpoint, owner.named)
        return replace(called, ref=ref, revision=owner.revision)
    return called


def sharing(model: CachedModel, roots: Sequence[Path]) -> list[Place]:
    """Return which others of these roots store some of a model's bytes; no records are read.

    Files of the same path are looked at first: mostly they are the only ones.

    Raises:
        DiskError: A root, or the model, must not or cannot be read.
    """
    usage = model.usage
    left = sum(links - usage.names[inode] for inode, links in usage.links.items())
    if not left:
        return []
    with disk_errors(model.path):
        files = inventory.take(model.path).files
    paths = {path: one for path, one in files.items() if (one.st_dev, one.st_ino) in usage.links}
    others = [one for one in _places(roots) if one.path != model.path and not one.path.is_symlink()]
    found: dict[Place, int] = {}
    for place in others:
        top = str(place.path)
        if common := sum(_is_same(f"{top}/{path}", status) for path, status in paths.items()):
            found[place] = common
    if sum(found.values()) < left:
        for place in others:
            with suppress(OSError):  # what cannot be read tells nobody what it shares
                names = inventory.take(place.path).usage.names
                found[place] = sum(names[inode] for inode in usage.links.keys() & names.keys())
            if sum(found.values()) >= left:
                break
    return [place for place in others if found.get(place)]


def _is_same(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), status)
    except OSError:
        return False
