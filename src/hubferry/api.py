"""The verbs, as plain functions; `hubferry.aio` has the same to be awaited.

Each runs its own event loop, where one runs already in a thread of its own: see `hubferry.running`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.events import Listener, ignore
from hubferry.options import Options
from hubferry.progress import shown
from hubferry.running import run
from hubferry.wishes import place, wished

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from typing_extensions import Unpack

    from hubferry.cache.verify import Verification
    from hubferry.catalog import Owned
    from hubferry.content import Part
    from hubferry.look import Known, Listed
    from hubferry.model import Plan, RepoFile
    from hubferry.progress import Wish
    from hubferry.prospects import Prospects
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
    "write_plan",
]


def copy(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    progress: Wish = False,
    **wishes: Unpack[Wishes],
) -> Report:
    """Copy a repository to another hub and prove it. To verify without publishing, `fetch`.

    Args:
        source: Such as `hf:org/name@revision`, a pasted web address, or a folder; a path is a folder.
        destination: Likewise.
        options: What else was asked for; the keywords are laid over it.
        listen: Called with every event, in the thread of the call.
        progress: True for bars of tqdm, or a function that is called with each `Standing`.
        **wishes: Fields of `Options` and of `Wishes`, as `include=["*.json"]` or `token=...`.

    Returns:
        What was done, and that the destination's own listing proves it.

    Raises:
        HubferryError: Any of `hubferry.errors`; its class says what may help.
    """
    from hubferry.names import verbs

    asked = wished(options, wishes)
    with shown(listen, progress) as hear:
        return run(lambda told: verbs.copy(place(source), place(destination), asked, told), hear)


def plan(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> Plan:
    """Return what `copy` would do; nothing is written but what a folder's files hash to, beside the cache.

    Args:
        source: As for `copy`, and so are the others.
        destination: Where it would go.
        options: What else was asked for.
        listen: Called with every event.
        **wishes: As for `copy`.

    Returns:
        One step a file; `findings` say what would stop the copy.
    """
    from hubferry.names import verbs

    asked = wished(options, wishes)
    return run(lambda told: verbs.plan(place(source), place(destination), asked, told), listen)


def write_plan(
    plan: Plan, place: str | PathLike[str], options: Options = Options(), **wishes: Unpack[Wishes]
) -> None:
    """Write a plan down, for `apply_plan`: what `hubferry copy --plan-out` does.

    Args:
        plan: As `plan` has returned it.
        place: The file; one that is there is replaced.
        options: What `plan` was asked, as the keywords are.
        **wishes: As for `copy`.
    """
    from hubferry.agreed import verbs

    verbs.write(place, plan, wished(options, wishes))


def apply_plan(
    place: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    progress: Wish = False,
    **wishes: Unpack[Wishes],
) -> Report:
    """Carry out a plan that was written down, exactly, and prove it; or change nothing.

    What is copied, where to, and what was asked for stand in the file; logins and the manner are this call's.

    Args:
        place: The file.
        options: How the hubs are reached, where the cache is, how fast it may go.
        listen: Called with every event; the others as for `copy`.
        progress: As for `copy`.
        **wishes: As for `copy`.

    Raises:
        StalePlanError: A side has moved since.
        UsageError: The file is no plan, or of a newer hubferry, or a hub is elsewhere than it was.
        IntegrityError: The file was changed, or says of a file what no side does.
    """
    from hubferry.agreed import verbs

    asked = wished(options, wishes)
    with shown(listen, progress) as hear:
        return run(lambda told: verbs.apply(place, asked, told), hear)


def fetch(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    progress: Wish = False,
    **wishes: Unpack[Wishes],
) -> Fetched:
    """Bring a repository into the cache, whole and verified.

    Args:
        source: As for `copy`, and so are the others.
        options: What else was asked for.
        listen: Called with every event.
        progress: As for `copy`.
        **wishes: As for `copy`.

    Returns:
        Its directory, and what came over the network.
    """
    from hubferry import transfer

    asked = wished(options, wishes)
    with shown(listen, progress) as hear:
        return run(lambda told: transfer.fetch(place(source), asked, told), hear)


def check(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> tuple[Comparison, ...]:
    """Compare two repositories by their listings, path by path, in order.

    Args:
        source: As for `copy`, and so are the others.
        destination: What it is held against.
        options: What else was asked for.
        listen: Called with every event.
        **wishes: As for `copy`.

    Returns:
        A verdict for each path of either side.
    """
    from hubferry import transfer

    asked = wished(options, wishes)
    return run(lambda told: transfer.check(place(source), place(destination), asked, told), listen)


def verify(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> tuple[Verification, ...]:
    """Hash what the cache has of a repository, and compare it with what the hub listed when it came in.

    Args:
        source: The repository, at one revision or (without one) at all that are cached; or a directory.
        options: Where the cache is.
        listen: Called with every event.
        **wishes: As for `copy`.

    Returns:
        One for each directory that the cache has of it; `broken` is empty when all is sound.

    Raises:
        NotFoundError: The cache has nothing of it.
    """
    from hubferry import audit

    asked = wished(options, wishes)
    return run(lambda told: audit.verify(source, asked, told), listen)


def verify_receipt(
    receipt: str | PathLike[str],
    where: str | PathLike[str] | None = None,
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    latest: bool = False,
    **wishes: Unpack[Wishes],
) -> ReceiptCheck:
    """Hold a receipt of `hubferry sync run --receipts` against what is there today.

    Args:
        receipt: The file. Nothing that it says is opened as a path, or asked for with a token by its word.
        where: Any repository or folder; None is the target that the receipt names, at its commit.
        options: How the hub is reached.
        listen: Called with every event.
        latest: Look at the head of the target's branch instead of the commit.
        **wishes: As for `copy`.

    Returns:
        How each path stands; `good` when all is as the receipt says.

    Raises:
        UsageError: The file is no receipt, or its target is at another address than that hub is here.
        IntegrityError: The receipt was changed after it was written, or is cut short.
        NotFoundError: There is no such file, or nothing at the place.
    """
    from hubferry.receipts import checking

    asked = wished(options, wishes)
    at = None if where is None else place(where)
    return run(lambda told: checking.verify(receipt, at, asked, told, latest=latest), listen)


def list_files(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    hash_files: bool = True,
    **wishes: Unpack[Wishes],
) -> Listed:
    """List what a repository, a folder or (offline) the cache holds.

    Args:
        source: As for `copy`.
        options: What to include and to exclude.
        listen: Called with every event.
        hash_files: Whether the digests of a folder's files are wanted, which takes reading it.
        **wishes: As for `copy`.

    Returns:
        The files with sizes and digests, and which of them are in the cache.
    """
    from hubferry import look

    asked = wished(options, wishes)
    return run(lambda told: look.list_files(place(source), asked, told, hash_files=hash_files), listen)


def list_repositories(
    owner: str,
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> Owned:
    """List the repositories of an owner that the token in use may see.

    Args:
        owner: `hf:org` or `ms:org` for its models, `hf:datasets/org` for its datasets.
        options: How the hub is reached.
        listen: Called with every event.
        **wishes: As for `copy`.

    Returns:
        Each with what its hub says about it.
    """
    from hubferry import look

    asked = wished(options, wishes)
    return run(lambda told: look.list_repositories(owner, asked, told), listen)


def info(
    source: str | PathLike[str],
    options: Options = Options(),
    listen: Listener = ignore,
    **wishes: Unpack[Wishes],
) -> Known:
    """Say what is known about a repository: its record, its files, its terms, what of it is cached.

    Args:
        source: As for `copy`.
        options: How the hub is reached.
        listen: Called with every event.
        **wishes: As for `copy`.

    Returns:
        The repository, its files, and its directories in the cache.
    """
    from hubferry import look

    asked = wished(options, wishes)
    return run(lambda told: look.info(place(source), asked, told), listen)


def read_file(
    source: str | PathLike[str],
    path: str | None = None,
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    start: int = 0,
    stop: int | None = None,
    **wishes: Unpack[Wishes],
) -> bytes:
    """Return the content of one file, from the cache where that has it; hashed, unless it is a part.

    Args:
        source: As for `copy`; with the path behind it, `hf:org/name/config.json`, in place of `path`.
        path: The file's path in the repository.
        options: How the hub is reached.
        listen: Called with every event.
        start: First byte; below zero it counts from the end. A part is as the hub sent it.
        stop: Past the last byte, None for the end.
        **wishes: As for `copy`.

    Returns:
        All of it, in memory: `fetch` is for what is large.

    Raises:
        NotFoundError: There is no such file.
        IntegrityError: It is not what the listing says.
    """
    from hubferry import content

    name, inner = content.file_reference(place(source), path)
    asked, body = wished(options, wishes), bytearray()
    run(
        lambda told: content.read_file(name, inner, asked, told, body.extend, content.Part(start, stop)),
        listen,
    )
    return bytes(body)


def look_ahead(
    source: str, destination: str, options: Options = Options(), listen: Listener = ignore
) -> Prospects:
    """Ask whether this very copy would begin; see `prospects.look_ahead`."""
    from hubferry import prospects

    return run(lambda told: prospects.look_ahead(source, destination, options, told), listen)


def write_file(
    source: str,
    path: str,
    write: Callable[[bytes], None],
    options: Options = Options(),
    listen: Listener = ignore,
    *,
    part: Part,
) -> RepoFile:
    """Hand the bytes of a file to `write`; see `content.read_file`."""
    from hubferry import content

    return run(lambda told: content.read_file(source, path, options, told, write, part), listen)
