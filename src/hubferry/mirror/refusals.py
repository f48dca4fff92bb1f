"""What upstream's failures are called in an answer."""

from __future__ import annotations

from hubferry.errors import (
    AccessError,
    BusyError,
    DiskError,
    DiskFullError,
    GatedError,
    HubferryError,
    LockedError,
    NotFoundError,
    TimedOutError,
)
from hubferry.serve.refusal import Reason, Refusal

_SOON = 5
"""Seconds after which a client may ask again where nobody knows better."""


def said(error: HubferryError, repo_id: str, revision: str | None) -> Refusal:
    """Return the refusal that a failure is.

    Args:
        error: What upstream, or the disk, said.
        repo_id: What was asked for.
        revision: The revision, where it is known that the repository is there.
    """
    if isinstance(error, GatedError):
        return Refusal(Reason.GATED, error.message)
    if isinstance(error, (AccessError, NotFoundError)):
        if revision is not None:
            return Refusal(Reason.REVISION_MISSING, f"Invalid rev id: {revision}", about=revision)
        return Refusal(Reason.REPOSITORY_MISSING, f"Repository not found: {repo_id}", about=repo_id)
    return _passing(error)


def _passing(error: HubferryError) -> Refusal:
    """Return the refusal of what says nothing about the repository."""
    if isinstance(error, BusyError):
        return Refusal(Reason.RATE, error.message, wait=max(1, round(error.retry_after or _SOON)))
    if isinstance(error, DiskFullError):
        return Refusal(Reason.DISK, error.message)
    if isinstance(error, LockedError):
        return Refusal(Reason.BROKEN, error.message, status=503, wait=_SOON)
    if isinstance(error, DiskError):
        return Refusal(Reason.BROKEN, error.message)
    status = 504 if isinstance(error, TimedOutError) else 502
    return Refusal(Reason.BROKEN, error.message, status=status, wait=_SOON)
