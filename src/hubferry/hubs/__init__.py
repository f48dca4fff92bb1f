"""The hubs one can copy from and to; each adapter is imported only when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.events import Listener, ignore
from hubferry.hubs.reaching import reach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.errors import Side
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog, Destination, Duplicates, PullRequests, ReferenceWriter, Source
    from hubferry.model import RepoRef


@dataclass(frozen=True, slots=True)
class FolderAccess:
    """How to look at a folder that is a source; see `DirectorySource`."""

    allow: frozenset[str]
    records: Path | None
    listen: Listener


def open_source(
    ref: RepoRef,
    *,
    token: str | None = None,
    endpoint: str | None = None,
    connections: int | None = None,
    allow_insecure: bool = False,
    folder: FolderAccess | None = None,
    volumes: Sequence[Path] = (),
) -> Source:
    """Open the hub of `ref` for reading.

    Args:
        ref: What is going to be read; its own `endpoint` comes first.
        token: Instead of any other; see `reaching.reach`.
        endpoint: Instead of the environment's and the configuration file's.
        connections: Most connections at a time.
        allow_insecure: Whether a token may travel unencrypted to another machine.
        folder: How to look at a folder, where `ref` names one.
        volumes: Where volumes of a bundle are, which are read in the hub's place.

    Raises:
        UsageError: A token would travel unencrypted, the endpoint is no web address, or HUBFERRY_XET no wish.
        AccessError: The configuration file says where the token is, and there is none to be had.
    """
    if volumes:
        from hubferry.hubs.bundle.source import BundleSource

        return BundleSource(volumes)
    if ref.hub == "dir":
        from hubferry.hubs.folder.source import DirectorySource

        return DirectorySource(folder.allow, folder.records, folder.listen) if folder else DirectorySource()
    at = reach(ref, token=token, endpoint=endpoint, insecure=allow_insecure)
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.source import ModelScopeSource

        return ModelScopeSource(at.endpoint, at.token, connections=connections, allow_insecure=at.insecure)
    from hubferry.hubs.huggingface.source import HuggingFaceSource
    from hubferry.hubs.xet.source import with_xet

    return with_xet(
        HuggingFaceSource(at.endpoint, at.token, connections=connections, allow_insecure=at.insecure)
    )


def open_destination(
    ref: RepoRef,
    *,
    token: str | None = None,
    endpoint: str | None = None,
    allow_insecure: bool = False,
    listen: Listener = ignore,
    wait: float | None = None,
    unfinished: Path | None = None,
) -> Destination:
    """Open the hub of `ref` for writing; the arguments are those of `open_source`, and two for a folder.

    `listen` hears when another run has the folder; `wait` is how many seconds it may, None for ever.
    `unfinished` is where uploads in parts are remembered for the next run, None for nowhere.
    """
    if ref.hub == "dir":
        from hubferry.hubs.folder.destination import DirectoryDestination

        return DirectoryDestination(listen, wait)
    at = reach(ref, token=token, endpoint=endpoint, insecure=allow_insecure)
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.destination import ModelScopeDestination

        return ModelScopeDestination(at.endpoint, at.token, allow_insecure=at.insecure)
    from hubferry.hubs.huggingface.destination import HuggingFaceDestination

    return HuggingFaceDestination(
        at.endpoint, at.token, allow_insecure=at.insecure, unfinished=unfinished, listen=listen
    )


def open_catalog(
    ref: RepoRef,
    *,
    token: str | None = None,
    endpoint: str | None = None,
    allow_insecure: bool = False,
    side: Side = "source",
    folder: FolderAccess | None = None,
) -> Catalog:
    """Open the hub of `ref` for looking; the arguments are those of `open_source`, and `side` for errors.

    Without `folder` a folder's files come without digests, and nothing of them is read.
    """
    if ref.hub == "dir":
        from hubferry.hubs.folder.catalog import FolderCatalog
        from hubferry.hubs.folder.source import DirectorySource

        source = DirectorySource(folder.allow, folder.records, folder.listen) if folder else DirectorySource()
        return FolderCatalog(source, hash_files=folder is not None)
    at = reach(ref, token=token, endpoint=endpoint, insecure=allow_insecure)
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.catalog import ModelScopeCatalog
        from hubferry.hubs.modelscope.source import ModelScopeSource

        return ModelScopeCatalog(
            ModelScopeSource(at.endpoint, at.token, allow_insecure=at.insecure, side=side)
        )
    from hubferry.hubs.huggingface.catalog import HuggingFaceCatalog
    from hubferry.hubs.huggingface.source import HuggingFaceSource

    return HuggingFaceCatalog(HuggingFaceSource(at.endpoint, at.token, allow_insecure=at.insecure, side=side))


def open_reference_writer(
    ref: RepoRef, *, token: str | None = None, endpoint: str | None = None, allow_insecure: bool = False
) -> ReferenceWriter | None:
    """Open the hub of `ref` for making tags and branches, None for a folder, which has none.

    The arguments are those of `open_source`.
    """
    if ref.hub == "dir":
        return None
    at = reach(ref, token=token, endpoint=endpoint, insecure=allow_insecure)
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.references import ModelScopeReferences
        from hubferry.hubs.modelscope.source import ModelScopeSource

        return ModelScopeReferences(
            ModelScopeSource(at.endpoint, at.token, allow_insecure=at.insecure, side="destination")
        )
    from hubferry.hubs.huggingface.references import HuggingFaceReferences
    from hubferry.hubs.huggingface.source import HuggingFaceSource

    return HuggingFaceReferences(
        HuggingFaceSource(at.endpoint, at.token, allow_insecure=at.insecure, side="destination")
    )


def open_pull_requests(
    ref: RepoRef, *, token: str | None = None, endpoint: str | None = None, allow_insecure: bool = False
) -> PullRequests | None:
    """Open the hub of `ref` for pull requests, None where it has none.

    The arguments are those of `open_source`.
    """
    if ref.hub != "hf":
        return None
    at = reach(ref, token=token, endpoint=endpoint, insecure=allow_insecure)
    from hubferry.hubs.huggingface.pulls import HuggingFacePullRequests
    from hubferry.hubs.huggingface.source import HuggingFaceSource

    return HuggingFacePullRequests(
        HuggingFaceSource(at.endpoint, at.token, allow_insecure=at.insecure, side="destination")
    )


def open_duplicates(
    ref: RepoRef, *, token: str | None = None, endpoint: str | None = None, allow_insecure: bool = False
) -> Duplicates | None:
    """Open the hub of `ref` for what it copies by itself, None where it copies nothing.

    The arguments are those of `open_source`.
    """
    if ref.hub != "hf":
        return None
    at = reach(ref, token=token, endpoint=endpoint, insecure=allow_insecure)
    from hubferry.hubs.huggingface.duplicates import HuggingFaceDuplicates
    from hubferry.hubs.huggingface.source import HuggingFaceSource

    return HuggingFaceDuplicates(
        HuggingFaceSource(at.endpoint, at.token, allow_insecure=at.insecure, side="destination")
    )
