"""Where caches are: the one that is written to, and those that older tools left on this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hubferry.cache.disk import disk, disk_errors
from hubferry.errors import DiskError

TAG_NAME = "CACHEDIR.TAG"
_TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# This directory holds models that can be fetched again; backup programs may leave it out.
# See https://bford.info/cachedir/
"""
_FOLDERS = ".folders"
_HISTORIC = (".cache/model_transfer", "flux_model_cache", ".cache/simple_model_transfer")


def default_root() -> Path:
    """Return the root that new models go to: HUBFERRY_CACHE, else `~/.cache/model_transfer`."""
    chosen = os.environ.get("HUBFERRY_CACHE", "").strip()
    return Path(os.path.abspath(Path(chosen).expanduser())) if chosen else Path.home() / _HISTORIC[0]  # noqa: PTH100 - resolve() would follow symlinks


def all_roots(root: Path | None = None) -> tuple[Path, ...]:
    """Return `root` (else the default), whether or not it exists, then every other root that does.

    Two names of one directory count once, under the name that comes first.
    """
    first = root if root is not None else default_root()
    roots = [first]
    seen = {first.resolve()}
    for candidate in (default_root(), *(Path.home() / name for name in _HISTORIC)):
        if candidate.is_dir() and candidate.resolve() not in seen:
            seen.add(candidate.resolve())
            roots.append(candidate)
    return tuple(roots)


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
    """Return where a root keeps what published folders hold; a root that cannot be made keeps nothing."""
    with suppress(DiskError):
        create_root(root)
    return root / _FOLDERS


def make_directories(path: Path) -> None:
    """Create `path` and what is missing above it, each name durable before the next."""
    if path.is_dir():
        return
    make_directories(path.parent)
    try:
        disk.mkdir(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    disk.fsync_directory(path.parent)
