"""Take apart what names something inside a repository, or only its owner; `refs` reads the rest. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from hubferry import refs

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS = frozenset({"datasets", "dataset", "models", "model"})
_VIEWS = frozenset({"blob", "resolve", "raw", "tree"})
_PREFIX = re.compile(r"[A-Za-z0-9_-]{2,}:(?!//[^/]*\.)")
"""A hub's word, or a name that somebody gave to a hub; one letter is a drive."""


def split(text: str) -> tuple[str, str | None]:
    """Return what names the repository, and the path behind it: `hf:org/name/config.json`.

    A path is found behind a name without a revision, whose own slashes nobody could tell from a path's, and
    in a pasted web address of a file. None where there is none; a folder is one as a whole.
    """
    text = text.strip()
    if refs.is_folder(text):
        return text, None
    if "://" in text and not _PREFIX.match(text):
        return text, _viewed([unquote(part) for part in _segments(text)])
    match = _PREFIX.match(text)
    if match is None or match[0].lower() in ("file:", "http:", "https:"):
        return text, None
    start = match.end() + (2 if text[match.end() :].startswith("//") else 0)
    parts = text[start:].split("/")
    keep = 3 if parts[0] in _KINDS else 2
    if len(parts) <= keep or "@" in "".join(parts[:keep]):
        return text, None
    return text[:start] + "/".join(parts[:keep]), "/".join(parts[keep:])


def owner_of(text: str) -> str | None:
    """Return the text of some repository of the owner that `text` names; None where it names no owner."""
    text = text.strip().rstrip("/")
    if refs.is_folder(text) or "@" in text:
        return None
    if "://" in text and not _PREFIX.match(text):
        parts = _segments(text)
    elif (match := _PREFIX.match(text)) and match[0].lower() != "file:":
        parts = [part for part in text[match.end() :].split("/") if part]
    else:
        return None
    owners = 2 if parts and parts[0] in _KINDS else 1
    return f"{text}/name" if len(parts) == owners else None


def _segments(address: str) -> list[str]:
    """Return the parts of a web address' path; none of what is no address, which `refs` refuses."""
    try:
        path = urlsplit(address).path
    except ValueError:
        return []
    return [part for part in path.split("/") if part]


def _viewed(segments: Sequence[str]) -> str | None:
    """Return the path of the file or folder that a page of a repository shows."""
    for number, segment in enumerate(segments):
        if number and segment in _VIEWS:
            rest = segments[number + 1 :]
            skip = 3 if rest[:1] == ["refs"] else 1
            return "/".join(rest[skip:]) or None
        if segment == "file" and segments[number + 1 : number + 2] == ["view"]:
            return "/".join(segments[number + 3 :]) or None
    return None
