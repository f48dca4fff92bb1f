"""The verbs, as plain functions. Each runs its own event loop; `hubferry.aio` has the same to be awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hubferry.events import Listener, ignore
from hubferry.model import Fetched
from hubferry.options import Access, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hubferry.catalog import Owned
    from hubferry.look import Known, Listed, Part
    from hubferry.model import Comparison, Plan, RepoFile, Report

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


def list_files(
    source: str, options: Options = Options(), listen: Listener = ignore, *, hash_files: bool = True
) -> Listed:
    """List what a repository or a folder holds."""
    from hubferry import look

    return _run(look.list_files(source, options, listen, hash_files=hash_files))


def list_repositories(owner: str, options: Options = Options(), listen: Listener = ignore) -> Owned:
    """List the repositories of an owner."""
    from hubferry import look

    return _run(look.list_repositories(owner, options, listen))


def info(source: str, options: Options = Options(), listen: Listener = ignore) -> Known:
    """Say what is known about a repository."""
    from hubferry import look

    return _run(look.info(source, options, listen))


def write_file(
    source: str,
    path: str,
    write: Callable[[bytes], None],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    part: Part,
) -> RepoFile:
    """Hand the bytes of a file to `write`."""
    from hubferry import look

    return _run(look.read_file(source, path, options, listen, write, part))


def _run(work: Coroutine[object, object, Result]) -> Result:
    import asyncio

    try:
        import uvloop
    except ImportError:  # Windows, or another interpreter than CPython
        return asyncio.run(work)
    return uvloop.run(work)
