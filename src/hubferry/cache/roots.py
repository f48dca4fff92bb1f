"""Where caches are: the one that is written to, those that older tools left, and those that are only read.

Together they are layers: all of them are read, and what is new goes into the first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry import config, places
from hubferry.cache.disk import disk, disk_errors
from hubferry.errors import DiskError
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

TAG_NAME = "CACHEDIR.TAG"
READ_ONLY = "HUBFERRY_CACHE_READONLY"
"""Variable that names roots to read only, separated as PATH is."""
_TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# This directory holds models that can be fetched again; backup programs may leave it out.
# See https://bford.info/cachedir/
"""
FOLDERS = ".folders"
"""Where a root keeps what the files of folders hash to that are only read."""
_DEFAULT = ".cache/model_transfer"
_HISTORIC = (_DEFAULT, "flux_model_cache", ".cache/simple_model_transfer")


def default_root() -> Path:
    """Return the root that new models go to: the one that is named, else `~/.cache/model_transfer`.

    Where the home cannot be used, and XDG_CACHE_HOME names another place for caches, it is there.

    Raises:
        DiskError: There is no home, and nothing else is named.
        UsageError: What names it begins with a home that is not known, or the file has a mistake.
    """
    chosen = named_root()
    if chosen is not None:
        return chosen
    home, caches = places.home(), os.environ.get("XDG_CACHE_HOME", "").strip()
    usual = None if home is None else home / _DEFAULT
    if usual is not None and (not caches or _is_usable(usual)):
        return usual
    elsewhere = places.expanded_if_known(caches) if caches else None
    if elsewhere is not None:
        return elsewhere / "model_transfer"
    if usual is not None:
        return usual
    raise DiskError(
        _("there is no home directory to keep models in"), side="cache", hint="export HUBFERRY_CACHE=/a/disk"
    )


def named_root() -> Path | None:
    """Return the root that HUBFERRY_CACHE names, else the configuration file; None where neither does."""
    chosen = places.from_environment("HUBFERRY_CACHE")
    if chosen is not None:
        return chosen
    default = config.current().defaults.get("cache_dir")
    return None if default is None else places.expanded(str(default.value))


def _is_usable(root: Path) -> bool:
    """Return whether models are kept there, or could be."""
    return places.is_directory(root) or places.is_writable(places.nearest_directory(root))


def usable(place: Path) -> Path | None:
    """Return a place below the home, None where that cannot be used and another one is named."""
    known = places.expanded_if_known(str(place))
    if known is not None and (_is_usable(known) or named_root() is None):
        return known
    return None


def all_roots(root: Path | None = None) -> tuple[Path, ...]:
    """Return `root` (else the default), whether or not it exists, then every other root that does.

    Two names of one directory count once, under the name that comes first.

    Raises:
        DiskError: There is no home, and nothing else is named.
    """
    home = places.home()
    others = [] if home is None else [home / name for name in _HISTORIC]
    others += places.several_from_environment(READ_ONLY)
    roots: dict[Path, Path] = {}
    if root is not None:
        roots[places.resolved(root)] = root
    try:
        default = default_root()
        if not roots or places.is_directory(default):
            roots.setdefault(places.resolved(default), default)
    except DiskError:
        if not (roots or others):
            raise
    for place in filter(places.is_readable, others):
        roots.setdefault(places.resolved(place), place)
    return tuple(roots.values())


def create_root(root: Path) -> None:
    """Create a root where it is new, and mark it as a cache.

    Raises:
        DiskError: It cannot be created or written.
    """
    with disk_errors(root):
        make_directories(root)
        tag = root / TAG_NAME
        try:
            descriptor = disk.open(tag, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return
        try:
            disk.pwrite_all(descriptor, [_TAG], 0)
        finally:
            disk.close(descriptor)


def folder_records(root: Path) -> Path:
    """Return where a root keeps what read-only folders hold; one that cannot be made keeps nothing."""
    with suppress(DiskError):
        create_root(root)
    return root / FOLDERS


def make_directories(path: Path) -> None:
    """Create `path` and what is missing above it, each name durable before the next."""
    if places.is_directory(path):
        return
    make_directories(path.parent)
    try:
        disk.mkdir(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    disk.fsync_directory(path.parent)
