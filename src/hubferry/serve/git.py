"""The names git gives to content: blobs, pointers and trees. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.serve.records import FileRecord


def object_id(kind: str, content: bytes) -> str:
    """Return the hex id of a git object: sha1 of `<kind> <size>` NUL content."""
    digest = hashlib.sha1(f"{kind} {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """Return the LFS pointer file that git holds in place of a blob (git-lfs specification, version 1)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def folder_ids(tree: Mapping[str, FileRecord]) -> dict[str, str]:
    """Return the git tree id of every folder of a tree, the root's under the empty path."""
    children: dict[str, dict[str, tuple[str, str]]] = {"": {}}
    for path, file in tree.items():
        folder, _, name = path.rpartition("/")
        children.setdefault(folder, {})[name] = ("100644", file.git_sha1)
    for folder in list(children):
        while folder and (folder := folder.rpartition("/")[0]) not in children:
            children[folder] = {}
    ids: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: path.count("/") if path else -1, reverse=True):
        ids[folder] = _tree_id(children[folder])
        if folder:
            parent, _, name = folder.rpartition("/")
            children[parent][name] = ("40000", ids[folder])
    return ids


def _tree_id(entries: Mapping[str, tuple[str, str]]) -> str:
    # git sorts a folder as if its name ended in a slash
    ordered = sorted(entries.items(), key=lambda item: item[0] + ("/" if item[1][0] == "40000" else ""))
    body = b"".join(
        f"{mode} {name}\0".encode(errors="replace") + bytes.fromhex(oid) for name, (mode, oid) in ordered
    )
    return object_id("tree", body)
