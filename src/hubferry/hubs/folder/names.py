"""Which names a destination folder can hold: what its filesystem forbids, and what is our own."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.hubs.folder.source import OWN_FOLDER
from hubferry.i18n import _
from hubferry.paths import NAME_BYTES, PATH_BYTES, ends_oddly, fold, has_windows_characters, is_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

KEPT_OUT = ".git"
"""Never listed, written or deleted, however deep it lies."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def problem_of(path: str, root: Path, *, windows: bool = os.name == "nt") -> str | None:
    """Return why a file of this POSIX path cannot be below `root`, None where it can."""
    return next(_problems(path, root, windows=windows), None)


def _problems(path: str, root: Path, *, windows: bool) -> Iterator[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        yield _("it points out of the folder")
    if fold(parts[0]) == OWN_FOLDER or KEPT_OUT in map(fold, parts):
        yield _("such a name is no part of a model")
    if _CONTROL.search(path):
        yield _("it has a control character")
    if windows and any(map(_windows_refuses, parts)):
        yield _("Windows allows no such name")
    try:
        encoded = [os.fsencode(part) for part in parts]
        length = len(os.fsencode(root)) + sum(len(part) + 1 for part in encoded)
    except UnicodeEncodeError:
        yield _("this system cannot write it")
        return
    if max(map(len, encoded)) > longest_name(root) or (length >= PATH_BYTES and not windows):
        yield _("it is too long")


def longest_name(root: Path) -> int:
    """Return how many bytes a name may have on the filesystem of `root`, or of what is there above it."""
    with suppress(OSError, ValueError, AttributeError):  # Windows has no such call
        return os.pathconf(existing(root), "PC_NAME_MAX")
    return NAME_BYTES


def _windows_refuses(part: str) -> bool:
    return ends_oddly(part) or has_windows_characters(part) or is_device(part)


def existing(path: Path) -> Path:
    """Return `path`, or the nearest entry above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def look_alikes(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each path that shares a name with another but for case or composition, and that other one."""
    spelled: dict[str, tuple[str, str]] = {}
    for path in paths:
        prefix = path
        while prefix:
            spelling, other = spelled.setdefault(fold(prefix), (prefix, path))
            if spelling != prefix:
                yield path, other
                break
            prefix = prefix.rpartition("/")[0]


def tells_case_apart(folder: Path) -> bool:
    """Return whether an existing folder keeps two names that differ only in case. Nothing is written.

    Some name that is there is asked for in the other case. False where no name can tell.
    """
    for place in (folder, *folder.parents):
        with suppress(OSError):
            if place.stat().st_dev != folder.stat().st_dev:
                break
            with os.scandir(place) as entries:
                entry = next((one for one in entries if one.name.swapcase() != one.name), None)
            if entry is not None:
                other = place / entry.name.swapcase()
                return not (
                    os.path.lexists(other)
                    and os.path.samestat(other.lstat(), entry.stat(follow_symlinks=False))
                )
    return False
