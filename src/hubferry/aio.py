"""The verbs, to be awaited: `await hubferry.aio.copy(...)`. They take and return what those of `hubferry` do.

Whoever listens is called on the event loop. Cancelling the task ends the work, and nothing is written after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.events import Listener, ignore
from hubferry.options import Options
from hubferry.progress import shown
from hubferry.wishes import place, wished

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Unpack

    from hubferry.cache.verify import Verification
    from hubferry.catalog import Owned
    from hubferry.look import Known, Listed
    from hubferry.model import Plan
    from hubferry.progress import Wish
    from hubferry.receipts.checking import ReceiptCheck
    from hubferry.results import Comparison, Fetched, Report
    from hubferry.wishes import Wishes

__all__ = [
    "apply_plan",
    "check",
    "copy",
    "fetch",
    "info",
    "list_files",
    "list_repositories",
    "plan",
    "read_file",
    "verify",
    "verify_receipt",
]


async def copy(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    progress: Wish = False,
    **wishes: Unpack[Wishes],
) -> Report:
    """Do what `hubferry.copy` does, which says more."""
    from hubferry.names import verbs

    asked = wished(options, wishes)
    with shown(listen, progress) as told:
        return await verbs.copy(place(source), place(destination), asked, told)


async def plan(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> Plan:
    """Do what `hubferry.plan` does, which says more."""
    from hubferry.names import verbs

    asked = wished(options, wishes)
    return await verbs.plan(place(source), place(destination), asked, listen)


async def apply_plan(
    place: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    progress: Wish = False,
    **wishes: Unpack[Wishes],
) -> Report:
    """Do what `hubferry.apply_plan` does, which says more."""
    from hubferry.agreed import verbs

    asked = wished(options, wishes)
    with shown(listen, progress) as told:
        return await verbs.apply(place, asked, told)


async def fetch(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    progress: Wish = False,
    **wishes: Unpack[Wishes],
) -> Fetched:
    """Do what `hubferry.fetch` does, which says more."""
    from hubferry import transfer

    asked = wished(options, wishes)
    with shown(listen, progress) as told:
        return await transfer.fetch(place(source), asked, told)


async def check(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> tuple[Comparison, ...]:
    """Do what `hubferry.check` does, which says more."""
    from hubferry import transfer

    asked = wished(options, wishes)
    return await transfer.check(place(source), place(destination), asked, listen)


async def verify(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> tuple[Verification, ...]:
    """Do what `hubferry.verify` does, which says more."""
    from hubferry import audit

    asked = wished(options, wishes)
    return await audit.verify(source, asked, listen)


async def verify_receipt(
    receipt: str | PathLike[str],
    where: str | PathLike[str] | None = None,
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    latest: bool = False,
    **wishes: Unpack[Wishes],
) -> ReceiptCheck:
    """Do what `hubferry.verify_receipt` does, which says more."""
    from hubferry.receipts import checking

    asked = wished(options, wishes)
    at = None if where is None else place(where)
    return await checking.verify(receipt, at, asked, listen, latest=latest)


async def list_files(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    hash_files: bool = True,
    **wishes: Unpack[Wishes],
) -> Listed:
    """Do what `hubferry.list_files` does, which says more."""
    from hubferry import look

    asked = wished(options, wishes)
    return await look.list_files(place(source), asked, listen, hash_files=hash_files)


async def list_repositories(
    owner: str,
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> Owned:
    """Do what `hubferry.list_repositories` does, which says more."""
    from hubferry import look

    asked = wished(options, wishes)
    return await look.list_repositories(owner, asked, listen)


async def info(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> Known:
    """Do what `hubferry.info` does, which says more."""
    from hubferry import look

    asked = wished(options, wishes)
    return await look.info(place(source), asked, listen)


async def read_file(
    source: str | PathLike[str],
    path: str | None = None,
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    start: int = 0,
    stop: int | None = None,
    **wishes: Unpack[Wishes],
) -> bytes:
    """Do what `hubferry.read_file` does, which says more."""
    from hubferry import content

    name, inner = content.file_reference(place(source), path)
    asked, body = wished(options, wishes), bytearray()
    await content.read_file(name, inner, asked, listen, body.extend, content.Part(start, stop))
    return bytes(body)
