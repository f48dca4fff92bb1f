"""Bundles made straight from bytes, without a hub; and index forgeries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.bundles import closing, layout
from hubferry.bundles.writing import Work
from hubferry.events import ignore
from hubferry.hubs.bundle.index import BundledFile, BundledModel, Index, Piece, VolumePlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MIB = 1 << 20


def described(
    files: Mapping[str, bytes], listed: tuple[BundledFile, ...] | None = None, **words: Any
) -> BundledModel:
    listed = (
        listed
        if listed is not None
        else tuple(
            BundledFile(path, len(content), hashlib.sha256(content).hexdigest())
            for path, content in sorted(files.items())
        )
    )
    said: dict[str, Any] = {
        "folder": "org_model", "hub": "hf", "repo_type": "model", "repo_id": "org/model", "revision": None,
        "endpoint": "http://127.0.0.1:9", "named": None, "commit": "c" * 40, "private": False, "gated": False,
        "license": "mit", "include": (), "exclude": (), "notes": (), "files": listed,
    }  # fmt: skip
    return BundledModel(**(said | words))


def laid_out(model: BundledModel, size: int = MIB, name: str = "org_model") -> Index:
    return layout.lay_out(name, size, [model], closing.reserved(closing.sums_of_all([model])))


def written(folder: Path, files: Mapping[str, bytes], size: int = MIB, **words: Any) -> Work:
    """Write a whole bundle of these files into a folder."""
    work = worked(folder, files, size, **words)
    for number in range(1, len(work.index.volumes) + 1):
        work.write(number)
    return work


def worked(folder: Path, files: Mapping[str, bytes], size: int = MIB, **words: Any) -> Work:
    root = folder.with_name(f"{folder.name}-root")
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    return Work(laid_out(described(files, **words), size), (root,), folder, ignore, lambda: None)


def bytes_of(size: int, seed: int = 0) -> bytes:
    return b"".join(hashlib.sha256(b"%d %d" % (seed, number)).digest() for number in range(-(-size // 32)))[
        :size
    ]


def forged(folder: Path, work: Work, **changed: Any) -> Index:
    """Write the volumes anew with an index that says something else, and is sealed as if it were right."""
    work.index = msgspec.structs.replace(work.index, **changed)
    from hubferry.hubs.bundle.index import encoded

    old = len(work.content)
    work.content = encoded(work.index)
    from hubferry.hubs.bundle import archive

    for number in range(1, len(work.index.volumes) + 1):
        place = folder / archive.volume_name("org_model", number)
        rest = place.read_bytes()[archive.BLOCK + archive.padded(old) :] if place.exists() else b""
        head = archive.header(archive.index_member(work.index.name, number), len(work.content))
        place.write_bytes(head + work.content + archive.padding(len(work.content)) + rest)
    return work.index


def renamed(work: Work, path: str) -> tuple[BundledModel, ...]:
    """Return the repositories with another name for the first file."""
    (model,) = work.index.models
    first = msgspec.structs.replace(model.files[0], path=path)
    return (msgspec.structs.replace(model, files=(first, *model.files[1:])),)


__all__ = [
    "MIB",
    "Piece",
    "VolumePlan",
    "bytes_of",
    "described",
    "forged",
    "laid_out",
    "renamed",
    "worked",
    "written",
]
