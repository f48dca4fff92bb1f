"""The verbs, as plain functions: copy, fetch, check. Each runs its own event loop and returns when it is proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from hubferry.events import Listener, ignore

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from hubferry.model import Comparison, Plan, Report, Visibility

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one side; None means: as its official tools find it.

    Attributes:
        token: Never shown in `repr`.
        endpoint: Base URL of the hub.
        insecure: Allow a token over plain http to another machine.
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What a copy may be told; the defaults are those of the command line.

    Attributes:
        include: Glob patterns of paths to take; empty takes all.
        exclude: Glob patterns of paths to leave out; stronger than `include`.
        verify_only: Fetch and verify into the cache, publish nothing.
        delete: Delete at the destination what the source does not have.
        visibility: Of a repository that has to be created; None follows the source.
        license: Of a repository that has to be created; None follows the source.
        message: The commit's message; None writes one that names the source's commit.
        jobs: Most connections at once in each direction; None adapts.
        fetch_rate: Bytes a second from the source, None for no limit.
        send_rate: Bytes a second to the destination, None for no limit.
        whole_cache: Fetch also what the destination already has, so that the cache ends up whole.
        cache: Whether payload stays on disk after it was sent.
        cache_root: Another cache root than the default one.
        directory: This very directory for the model, instead of one named after it.
        wait: Seconds to wait for another run of the same model; None waits for ever.
        keep_going: Publish the good files although some failed.
        source: Access to the source.
        destination: Access to the destination.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    verify_only: bool = False
    delete: bool = False
    visibility: Visibility | None = None
    license: str | None = None
    message: str | None = None
    jobs: int | None = None
    fetch_rate: int | None = None
    send_rate: int | None = None
    whole_cache: bool = False
    cache: bool = True
    cache_root: Path | None = None
    directory: Path | None = None
    wait: float | None = None
    keep_going: bool = False
    source: Access = Access()
    destination: Access = Access()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that is whole in the cache.

    Attributes:
        path: Its directory.
        commit: The commit it holds.
        files: How many files.
        size: Their bytes.
        fetched: Bytes that came over the network in this run.
        asked: Whether the hub was asked; False when the cache answered alone (offline).
    """

    path: Path
    commit: str
    files: int
    size: int
    fetched: int
    asked: bool = True


def copy(source: str, destination: str, options: Options = Options(), listen: Listener = ignore) -> Report:
    """Copy a repository to another hub and prove it.

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
    """Return what `copy` would do; nothing is written anywhere."""
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
