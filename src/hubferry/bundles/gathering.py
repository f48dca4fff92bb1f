"""Bring what goes into a bundle into the cache, and describe it; or what another index says, once more."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from hubferry import transfer, typed
from hubferry.cache.layers import Layer
from hubferry.cache.memory import listed
from hubferry.cache.names import safe_name
from hubferry.cache.store import Cache
from hubferry.commits import commit_of
from hubferry.errors import DiskError, IntegrityError, UsageError
from hubferry.events import Note
from hubferry.hubs.bundle.index import BundledFile, BundledModel
from hubferry.hubs.bundle.volumes import read_index
from hubferry.hubs.reaching import endpoint_of
from hubferry.i18n import _
from hubferry.planning import select

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.bundles.making import Wish
    from hubferry.events import Listener
    from hubferry.hubs.bundle.index import Index
    from hubferry.model import RepoFile, RepoRef
    from hubferry.options import Options
    from hubferry.results import Fetched
    from hubferry.survey import SourceSide


@dataclass(frozen=True, slots=True)
class Gathered:
    """What goes in.

    Attributes:
        models: The repositories.
        roots: The directory of each.
        fetched: Bytes that came over the network.
        index: Of the bundle that is made once more; None of a new one.
    """

    models: tuple[BundledModel, ...]
    roots: tuple[Path, ...]
    fetched: int
    index: Index | None = None


async def gather(wish: Wish, options: Options, listen: Listener) -> Gathered:
    """Fetch what a bundle is made of."""
    if not wish.sources and wish.like is None:
        raise UsageError(_("nothing says what goes into the bundle"), hint="hubferry bundle hf:org/name DIR")
    if wish.like is not None:
        if wish.sources:
            raise UsageError(_("--like says which repositories these are; leave them out"))
        return await _again(await asyncio.to_thread(read_index, wish.like), options, listen)
    refs = [typed.reference(source, options.source, "hf") for source in wish.sources]
    for ref in refs:
        if ref.hub == "dir":
            message = _("{path} is a folder; a bundle is made of repositories").format(path=ref.repo_id)
            raise UsageError(message, hint=_("a folder is carried as it is: cp -r"))
    begun = await asyncio.to_thread(_begun, wish, refs, options)
    if begun is not None:
        return await _again(begun, options, listen)
    models, roots, fetched = [], [], 0
    for source, ref in zip(wish.sources, refs, strict=True):
        done, side = await transfer.bring(source, options, listen)
        models.append(await asyncio.to_thread(_described, ref, done, side, options))
        roots.append(done.path)
        fetched += done.fetched
    return Gathered(_with_folders(models), tuple(roots), fetched)


def default_name(models: Sequence[BundledModel]) -> str:
    """Return what a bundle is called that nobody named; every filesystem takes it."""
    more = f"_and_{len(models) - 1}_more" if len(models) > 1 else ""
    return models[0].folder[:64] + more


def _begun(wish: Wish, refs: Sequence[RepoRef], options: Options) -> Index | None:
    """Return the index of a bundle that was begun by the same command in the same directory."""
    from hubferry.bundles.making import index_name

    folders = _with_folders([_named(ref, options) for ref in refs])
    place = wish.directory / index_name(wish.name or default_name(folders))
    if not place.is_file():
        return None
    index = read_index(place)
    if _asked(index.models) != _asked(folders) or index.volume_size != wish.volume_size:
        message = _("{path} is there, and is the index of another bundle").format(path=place)
        raise UsageError(message, path=str(place), hint=_("choose another --name, or another folder"))
    return index


def _asked(models: Sequence[BundledModel]) -> list[tuple[object, ...]]:
    return [(one.ref, one.include, one.exclude) for one in models]


def _named(ref: RepoRef, options: Options) -> BundledModel:
    """Return a repository of which nothing is known yet."""
    return BundledModel(
        folder=_folder(ref),
        hub=ref.hub,
        repo_type=ref.repo_type,
        repo_id=ref.repo_id,
        revision=ref.revision,
        endpoint=endpoint_of(ref, options.source.endpoint),
        named=ref.named,
        commit="",
        private=True,
        gated=False,
        license=None,
        include=options.include,
        exclude=options.exclude,
        notes=(),
        files=(),
    )


def _folder(ref: RepoRef) -> str:
    """Return the name of a repository's folder in the volumes: plain letters, whatever it is called."""
    plain = unicodedata.normalize("NFKD", safe_name(ref.repo_id)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]", "_", plain)[:64] or "_"


def _with_folders(models: Sequence[BundledModel]) -> tuple[BundledModel, ...]:
    """Give each repository a folder of its own, also where two have one name."""
    taken: dict[str, int] = {}
    found = []
    for model in models:
        count = taken[model.folder] = taken.get(model.folder, 0) + 1
        folder = model.folder if count == 1 else f"{model.folder}.{count}"
        found.append(msgspec.structs.replace(model, folder=folder))
    return tuple(found)


def _described(ref: RepoRef, done: Fetched, side: SourceSide | None, options: Options) -> BundledModel:
    """Describe what was fetched; what is not known without its hub counts as private."""
    model = Cache(options.cache_root).at(done.path, ref)
    known = model.manifest
    listing = side.listing if side is not None else listed(known) if known is not None else []
    layer = Layer(model, _root(options))
    wanted = {file.path for file in select(listing, options.include, options.exclude)}
    files = tuple(_file(layer, file, wanted=file.path in wanted) for file in listing)
    named = _named(ref, options)
    if side is None:
        return msgspec.structs.replace(named, commit=done.commit, files=files)
    revision = side.revision
    return msgspec.structs.replace(
        named,
        commit=done.commit,
        private=revision.private,
        gated=revision.gated,
        license=revision.license,
        notes=tuple(one.sentence for one in done.findings),
        files=files,
    )


def _root(options: Options) -> Path | None:
    try:
        return Cache(options.cache_root).root
    except DiskError:
        return None


def _file(layer: Layer, file: RepoFile, *, wanted: bool) -> BundledFile:
    digests = layer.known(file) if wanted else None
    if wanted and digests is None:
        message = _("{path} in the cache is not what was verified any more").format(path=file.path)
        raise IntegrityError(message, side="cache", path=file.path, hint="hubferry cache verify --full")
    size = digests.size if digests is not None else file.size or 0
    sha256 = digests.sha256 if digests is not None else file.sha256
    return BundledFile(file.path, size, sha256, file.git_sha1, file.lfs)


async def _again(index: Index, options: Options, listen: Listener) -> Gathered:
    """Fetch what an index says, at its commits."""
    roots, fetched = [], 0
    for model in index.models:
        pinned = commit_of(model.hub, model.commit)
        ref = replace(model.ref, revision=pinned or model.revision)
        said = _("going on with {ref} at commit {commit}, as the index says")
        listen(Note(said.format(ref=model.ref, commit=model.commit[:12])))
        asked = replace(options, include=model.include, exclude=model.exclude)
        done, _side = await transfer.bring(str(ref), asked, listen)
        await asyncio.to_thread(_demand, model, ref, done, asked)
        roots.append(done.path)
        fetched += done.fetched
    return Gathered(index.models, tuple(roots), fetched, index)


def _demand(model: BundledModel, ref: RepoRef, done: Fetched, options: Options) -> None:
    """Refuse a source that is not what the index says any more."""
    layer = Layer(Cache(options.cache_root).at(done.path, ref), _root(options))
    for file in select([file.listed() for file in model.files], model.include, model.exclude):
        if layer.known(file) is None:
            message = _("{ref} has changed since the bundle was begun: {path} is another file")
            raise IntegrityError(
                message.format(ref=model.ref, path=file.path),
                side="source",
                path=file.path,
                hint=_("make a new bundle, in an empty folder"),
            )
