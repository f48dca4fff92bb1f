"""The verbs, as plain functions: copy, fetch, check. Each runs its own event loop until it is proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hubferry.events import Listener, ignore
from hubferry.model import Fetched
from hubferry.options import Access, Options

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from hubferry.model import Comparison, Plan, Report

Result = TypeVar("Result")

__all__ = ["Access", "Fetched", "Options", "check", "copy", "fetch", "plan"]


def copy(source: str, destination: str, options: Options = Options(), listen: Listener = ignore) -> Report:
    """Copy a repository to another hub and prove it. To verify without publishing, `fetch`.

    Args:
        source: Such as `hf:org/name@revision`, a pasted web address, or a folder.
        destination: Likewise.
        options: What else was asked for.
        listen: Called with every event, in the calling thread.

    Raises:
        HubferryError: Any of `hubferry.errors`; its class says what may help.
    """
    from hubferry import transfer

    return _run(transfer.copy(source, destination, options, listen))


def plan(source: str, destination: str, options: Options = Options(), listen: Listener = ignore) -> Plan:
    """Return what `copy` would do; nothing is written but what a folder's files hash to, beside the cache."""
    from hubferry import transfer

    return _run(transfer.plan(source, destination, options, listen))


def fetch(source: str, options: Options = Options(), listen: Listener = ignore) -> Fetched:
    """Bring a repository into the cache, whole and verified."""
    from hubferry import transfer

    return _run(transfer.fetch(source, options, listen))


def check(
    source: str, destination: str, options: Options = Options(), listen: Listener = ignore
) -> tuple[Comparison, ...]:
    """Compare two repositories by their listings, path by path, in order."""
    from hubferry import transfer

    return _run(transfer.check(source, destination, options, listen))


def _run(work: Coroutine[object, object, Result]) -> Result:
    import asyncio

    try:
        import uvloop
    except ImportError:  # Windows, or another interpreter than CPython
        return asyncio.run(work)
    return uvloop.run(work)
