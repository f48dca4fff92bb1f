"""The hubs one can copy from and to; each adapter is imported only when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.events import Listener, ignore
from hubferry.hubs import credentials

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.errors import Side
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog, Destination, Source
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
) -> Source:
    """Open the hub of `ref` for reading.

    Args:
        ref: What is going to be read; its own `endpoint` comes first.
        token: Instead of the one that the official tools would find.
        endpoint: Instead of the environment's.
        connections: Most connections at a time.
        allow_insecure: Whether a token may travel unencrypted to another machine.
        folder: How to look at a folder, where `ref` names one.

    Raises:
        UsageError: A token would travel unencrypted, the endpoint is no web address, or HUBFERRY_XET no wish.
    """
    where = ref.endpoint or endpoint
    if ref.hub == "dir":
        from hubferry.hubs.folder.source import DirectorySource

        return DirectorySource(folder.allow, folder.records, folder.listen) if folder else DirectorySource()
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.source import ModelScopeSource

        where = where or credentials.modelscope_endpoint()
        token = credentials.modelscope_token(endpoint=where) if token is None else token
        return ModelScopeSource(where, token, connections=connections, allow_insecure=allow_insecure)
    from hubferry.hubs.huggingface.source import HuggingFaceSource
    from hubferry.hubs.xet.source import with_xet

    where = where or credentials.huggingface_endpoint()
    token = credentials.huggingface_token() if token is None else token
    return with_xet(HuggingFaceSource(where, token, connections=connections, allow_insecure=allow_insecure))


def open_destination(
    ref: RepoRef,
    *,
    token: str | None = None,
    endpoint: str | None = None,
    allow_insecure: bool = False,
    listen: Listener = ignore,
    wait: float | None = None,
) -> Destination:
    """Open the hub of `ref` for writing; the arguments are those of `open_source`, and two for a folder.

    `listen` hears when another run has the folder; `wait` is how many seconds it may, None for ever.
    """
    where = ref.endpoint or endpoint
    if ref.hub == "dir":
        from hubferry.hubs.folder.destination import DirectoryDestination

        return DirectoryDestination(listen, wait)
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.destination import ModelScopeDestination

        where = where or credentials.modelscope_endpoint()
        token = credentials.modelscope_token(endpoint=where) if token is None else token
        return ModelScopeDestination(where, token, allow_insecure=allow_insecure)
    from hubferry.hubs.huggingface.destination import HuggingFaceDestination

    where = where or credentials.huggingface_endpoint()
    token = credentials.huggingface_token() if token is None else token
    return HuggingFaceDestination(where, token, allow_insecure=allow_insecure)


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
    where = ref.endpoint or endpoint
    if ref.hub == "dir":
        from hubferry.hubs.folder.catalog import FolderCatalog
        from hubferry.hubs.folder.source import DirectorySource

        source = DirectorySource(folder.allow, folder.records, folder.listen) if folder else DirectorySource()
        return FolderCatalog(source, hash_files=folder is not None)
    if ref.hub == "ms":
        from hubferry.hubs.modelscope.catalog import ModelScopeCatalog
        from hubferry.hubs.modelscope.source import ModelScopeSource

        where = where or credentials.modelscope_endpoint()
        token = credentials.modelscope_token(endpoint=where) if token is None else token
        return ModelScopeCatalog(ModelScopeSource(where, token, allow_insecure=allow_insecure, side=side))
    from hubferry.hubs.huggingface.catalog import HuggingFaceCatalog
    from hubferry.hubs.huggingface.source import HuggingFaceSource

    where = where or credentials.huggingface_endpoint()
    token = credentials.huggingface_token() if token is None else token
    return HuggingFaceCatalog(HuggingFaceSource(where, token, allow_insecure=allow_insecure, side=side))
