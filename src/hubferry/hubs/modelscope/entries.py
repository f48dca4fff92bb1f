"""Read the entries of a ModelScope listing, in the spellings in which they come. Pure.

Wire facts: modelscope_hub/_legacy_api.py, `_list_files_page`, `_entry_path`, `_is_dir_entry`.
"""

from __future__ import annotations

import re
from typing import Any

from hubferry.model import RepoFile

_SHA256 = re.compile(r"[0-9a-f]{64}")


def entries_of(data: Any) -> list[Any] | None:
    """Return the entries of an answer, None where it has none to be found."""
    if isinstance(data, dict):
        if "Files" not in data and "files" not in data:
            return None
        # An empty list may be written as null there.
        data = data.get("Files", data.get("files")) or []
    return data if isinstance(data, list) else None


def total_of(data: Any) -> int | None:
    """Return how many entries there are on all pages, None where the answer does not say."""
    total = data.get("TotalCount") if isinstance(data, dict) else None
    return total if isinstance(total, int) and total >= 0 else None


def path_of(entry: Any) -> str:
    """Return an entry's path, empty for what is no entry."""
    path = (entry.get("Path") or entry.get("path") or entry.get("Name")) if isinstance(entry, dict) else None
    return path if isinstance(path, str) else ""


def is_folder(entry: Any) -> bool:
    """Return whether an entry is a folder."""
    return isinstance(entry, dict) and (entry.get("Type") or entry.get("type")) == "tree"


def file_of(entry: Any) -> RepoFile | None:
    """Make a file of an entry, None of what is none."""
    path = path_of(entry)
    if not path or is_folder(entry):
        return None
    size, sha256, revision = entry.get("Size"), entry.get("Sha256"), entry.get("Revision")
    digest = sha256.lower() if isinstance(sha256, str) else ""
    return RepoFile(
        path,
        size if isinstance(size, int) and size >= 0 else None,
        sha256=digest if _SHA256.fullmatch(digest) else None,
        lfs=bool(entry.get("IsLFS", entry.get("IsLfs"))),
        revision=revision if isinstance(revision, str) and revision else None,
    )
