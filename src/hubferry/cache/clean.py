"""Delete models: only what was listed, inside its root, never through a symlink, never what a run holds.

A directory is renamed to a hidden name that nobody can guess before anything in it is deleted: a deletion
that is interrupted leaves no half of a model, and the rest goes with the next one.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.cache import locks, manifest, placing, retention
from hubferry.cache.disk import disk, disk_errors, forbidden
from hubferry.cache.layers import only_read
from hubferry.cache.names import DOOMED_SUFFIX, RECORDS
from hubferry.errors import DiskError, LockedError, PinnedError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hubferry.cache.listing import CachedModel, Listing
    from hubferry.cache.retention import Policy, Reason


def is_held(model: CachedModel) -> bool:
    """Return whether a running transfer holds a model."""
    with disk_errors(model.path):
        return model.link_to is None and locks.is_held(model.path / RECORDS)


def is_gone(model: CachedModel) -> bool:
    """Return whether nothing is where a model was listed."""
    with disk_errors(model.path):
        return placing.status_of(model.path) is None


def is_only_read(model: CachedModel) -> bool:
    """Return whether a model is one that this user must not, or cannot, remove."""
    return only_read(model.root if model.link_to is not None else model.path)


def _kept_by_another(model: CachedModel) -> DiskError:
    """Return the error for a model that is only read; it says whom to ask where that is somebody else."""
    return forbidden(model.path, _("{path} is only read, and is not removed").format(path=model.path))


def refuse_held(models: Iterable[CachedModel]) -> None:
    """Raise a LockedError if a running transfer holds any of these models, before any is touched."""
    for model in models:
        if is_only_read(model):
            raise _kept_by_another(model)
        if is_held(model):
            holder = locks.holder(model.path / RECORDS) or _("another run")
            message = _("{name} is in use by {holder}").format(name=model.title, holder=holder)
            raise LockedError(message, side="cache", path=str(model.path), hint=_("wait for it to end"))


def removable(models: Iterable[CachedModel]) -> list[CachedModel]:
    """Return the models that this user may remove at all, where nobody named one."""
    return [model for model in models if not is_only_read(model)]


def spare_pinned(
    models: Iterable[CachedModel], *, allowed: bool
) -> tuple[list[CachedModel], list[CachedModel]]:
    """Return which models may be removed, and which stay; pinned ones go where that is `allowed`."""
    going: list[CachedModel] = []
    kept: list[CachedModel] = []
    for model in models:
        (kept if model.pinned and not allowed else going).append(model)
    return going, kept


def remove(model: CachedModel, *, pinned: bool = False) -> None:
    """Delete one listed model; of a symbolic link only the link.

    Args:
        model: As it was listed.
        pinned: Whether it goes although it is pinned; a pin is looked for again under the model's lock.

    Raises:
        PinnedError: It is pinned; nothing was deleted.
        LockedError: A running transfer holds it; nothing was deleted.
        UsageError: It is not what was listed any more; nothing was deleted.
        DiskError: It cannot be deleted; `is_gone` tells whether somebody else was faster.
    """
    with disk_errors(model.path):
        _demand_listed(model, model.path)
        if is_only_read(model):
            raise _kept_by_another(model)
        if model.link_to is not None:
            if not pinned:
                _demand_unpinned(model)
            disk.unlink(model.path)
            return
        doomed = model.root / f".{secrets.token_hex(16)}{DOOMED_SUFFIX}"
        with locks.hold(model.path / RECORDS, name=model.title, wait=0):
            _demand_listed(model, model.path)
            if not pinned:
                _demand_unpinned(model)
            if os.name == "posix":
                disk.replace(model.path, doomed)
        if os.name != "posix":  # a directory with an open file, such as its lock, cannot be renamed there
            disk.replace(model.path, doomed)
        # or a power cut may bring the model's name back to half of it
        disk.fsync_directory(model.root)
        _demand_listed(model, doomed)
        disk.remove_tree(doomed)


def sweep(listing: Listing) -> int:
    """Finish interrupted deletions; return the bytes that this freed.

    Raises:
        DiskError: They cannot be finished.
    """
    total = 0
    for model in listing.doomed:
        if only_read(model.root):
            continue
        with disk_errors(model.path), suppress(FileNotFoundError):  # another cleaning finishes it as well
            _demand_listed(model, model.path)
            if stat.S_ISDIR(disk.lstat(model.path).st_mode):
                disk.remove_tree(model.path)
            else:
                disk.unlink(model.path)
            total += model.frees
    return total


def plan_prune(listing: Listing, policy: Policy, *, now: float) -> list[tuple[CachedModel, Reason]]:
    """Return which models a policy lets go, and why, the oldest use first. Nothing is deleted.

    Raises:
        UsageError: The policy lets nothing go whatever there is.
    """
    if policy.is_empty:
        raise UsageError(
            _("nothing says what to remove"), hint="hubferry cache prune --max-size 500G --dry-run"
        )
    models = {str(model.path): model for model in listing.models}
    candidates = [_candidate(name, model) for name, model in models.items()]
    chosen = retention.choose(candidates, policy, now=now)
    return [(models[name], reason) for name, reason in chosen.items()]


def _candidate(name: str, model: CachedModel) -> retention.Candidate:
    return retention.Candidate(
        name,
        model.used,
        extents=dict(model.usage.bytes),
        partial=model.judged.interrupted,
        published=bool(model.published),
        protected=model.pinned or model.link_to is not None or only_read(model.path) or is_held(model),
    )


def _demand_unpinned(model: CachedModel) -> None:
    """Raise where somebody pinned the model, before it was listed or since, or where that cannot be read."""
    known = manifest.load(model.path / RECORDS)
    if model.pinned or (known is not None and known.pinned):
        message = _("{model} is pinned, and stays")
        raise PinnedError(message.format(model=model.title), side="cache", path=str(model.path))


def _demand_listed(model: CachedModel, path: Path) -> None:
    """Raise unless `path` is in the model's root and still the very directory, or link, that was listed."""
    status = disk.lstat(path)
    is_link = stat.S_ISLNK(status.st_mode)
    same = (status.st_dev, status.st_ino) == model.identity and is_link == (model.link_to is not None)
    if not same or path.parent != model.root or path.name in {"", ".", ".."}:
        message = _("{name} is not what was listed any more, and is left alone")
        raise UsageError(message.format(name=path), side="cache", path=str(path), hint="hubferry cache list")
