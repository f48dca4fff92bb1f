"""Git's patterns for paths (gitattributes(5), git's wildmatch.c), as expressions over whole paths. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_NEVER = "(?!)"
_SPECIAL = re.compile(r"[*?\[\\]")
_STARS = re.compile(r"\*+")
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@lru_cache(maxsize=4_096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return what matches the paths that a pattern means, both with a character for each byte."""
    return re.compile(_expression(pattern), re.DOTALL | re.ASCII)


def _expression(pattern: str) -> str:
    if pattern.endswith("/"):
        return _NEVER  # a folder, and only files have attributes
    start = "" if "/" in pattern else "(?:.*/)?"
    rest = pattern.removeprefix("/")
    special = _SPECIAL.search(rest)
    first = special.start() if special else -1  # git compares what stands before it by itself
    found, at = [start], 0
    while at < len(rest):
        if stars := _STARS.match(rest, at):
            piece, at = _stars(rest, stars, alone=at in (0, first) or rest[at - 1] == "/")
        elif rest[at] == "[":
            piece, at = _bracket(rest, at + 1)
        elif rest[at] == "?":
            piece, at = "[^/]", at + 1
        elif rest[at] == "\\":
            piece, at = (re.escape(rest[at + 1]), at + 2) if at + 1 < len(rest) else (_NEVER, at + 1)
        else:
            piece, at = re.escape(rest[at]), at + 1
        found.append(piece)
    return "".join(found)


def _stars(rest: str, stars: re.Match[str], *, alone: bool) -> tuple[str, int]:
    """Translate stars: two between slashes are any folders, otherwise they stay in one."""
    if len(stars[0]) > 1 and alone:
        if rest.startswith("/", stars.end()):
            return "(?:.*/)?", stars.end() + 1
        if stars.end() == len(rest):
            return ".*", stars.end()
    return "[^/]*", stars.end()


def _bracket(rest: str, at: int) -> tuple[str, int]:
    """Translate a set of characters; one without an end matches nothing."""
    negated = rest[at : at + 1] in ("!", "^")
    at += negated
    items, first = [], True
    while first or rest[at : at + 1] != "]":
        first = False
        if named := re.compile(r"\[:([^\]]*?):\]").match(rest, at):
            if named[1] not in _CLASSES:
                return _NEVER, len(rest)
            items.append(_CLASSES[named[1]])
            at = named.end()
            continue
        low, at = _member(rest, at)
        high = low
        if rest[at : at + 1] == "-" and rest[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(rest, at + 1)
        if not low or not high:
            return _NEVER, len(rest)
        if low <= high:
            items.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(items)
    if not inside:
        return ("[^/]" if negated else _NEVER), at + 1
    return f"(?!/)[{'^' * negated}{inside}]", at + 1


def _member(rest: str, at: int) -> tuple[str, int]:
    """Return a character of a set, empty at the end of the pattern, and where the next one begins."""
    at += rest[at : at + 1] == "\\"
    return rest[at : at + 1], at + 1
