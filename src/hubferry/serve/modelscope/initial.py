"""The files that a new ModelScope repository may come with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.serve.records import Change, Put, RepositoryRecord

if TYPE_CHECKING:
    from hubferry.serve.blobs import Blobs

_ATTRIBUTES = (
    b"*.bin filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
)


def initial_files(blobs: Blobs, record: RepositoryRecord) -> list[Change]:
    """Return the changes that put a README.md with the license, and a .gitattributes."""
    readme = f"---\nlicense: {record.license or 'other'}\n---\n# {record.repo_id}\n".encode()
    return [
        Put(".gitattributes", blobs.put(_ATTRIBUTES), lfs=False),
        Put("README.md", blobs.put(readme), lfs=False),
    ]
