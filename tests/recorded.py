"""Make models with records, as a finished fetch leaves them, without a hub or a wait for the disk."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.cache.manifest import MANIFEST, Entry, Manifest, Publication, Signature
from hubferry.cache.names import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMIT = "c" * 40


def recorded_model(
    directory: Path,
    repo_id: str,
    contents: Mapping[str, bytes] | None = None,
    *,
    shared: Mapping[str, Path] | None = None,
    published: bool = False,
    **known: Any,
) -> Path:
    """Write a model's files and its manifest, by which all of one commit is here and verified.

    Args:
        directory: Where.
        repo_id: Whose it is.
        contents: By path; one small file unless said otherwise.
        shared: Files that are links to others, by path.
        published: Whether it was proven to be at a destination.
        known: Fields of the manifest, such as `hub`, `pinned` or `used`.
    """
    (directory / RECORDS).mkdir(parents=True)
    for path, content in (contents or {"config.json": repo_id.encode()}).items():
        (directory / path).write_bytes(content)
    for path, origin in (shared or {}).items():
        os.link(origin, directory / path)
    files = {}
    for place in sorted(directory.iterdir()):
        if place.is_file():
            digest, status = sha256(place.read_bytes()).hexdigest(), place.lstat()
            files[place.name] = Entry(status.st_size, digest, None, Signature.of(status), listed=True)
    now = time.time()
    fields = {"hub": "hf", "repo_type": "model", "created": now, "used": now, "commit": COMMIT} | known
    if published:
        fields["published"] = (Publication("ms:me/model", "d" * 40, now),)
    manifest = Manifest(repo_id=repo_id, listing="full", whole=True, files=files, **fields)
    (directory / RECORDS / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return directory


def many(root: Path, count: int, **rest: Any) -> list[Path]:
    """Write models `org/model-0` and so on, which all share one `.gitattributes`."""
    first = recorded_model(
        root / "org_model_0", "org/model-0", {".gitattributes": b"*.bin lfs\n" * 99}, **rest
    )
    shared = {".gitattributes": first / ".gitattributes"}
    others = [
        recorded_model(root / f"org_model_{number}", f"org/model-{number}", shared=shared, **rest)
        for number in range(1, count)
    ]
    return [first, *others]
