"""What filesystems make of a path: which names are equal to them, which they forbid, how long one may be."""

from __future__ import annotations

import re
import unicodedata

NAME_BYTES = 255
"""What nearly every filesystem takes in one name, where it does not say."""
PATH_BYTES = 4096
"""PATH_MAX of Linux, with the final NUL."""
MOST_PARTS = 128
"""Folders of a path, and its file. Repositories have fewer than 20; tools that walk a tree by recursion, as
Python's own and git's do, still manage this many on the smallest stack."""
_WINDOWS_CHARACTERS = re.compile(r'[<>:"|?*\\]')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)


def fold(text: str) -> str:
    """Make equal what a filesystem that ignores case, or how Unicode composes, may take for equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def ends_oddly(part: str) -> bool:
    """Return whether Windows drops the end of a name."""
    return part[-1:] in {".", " "}


def has_windows_characters(part: str) -> bool:
    """Return whether a name has a character that Windows does not allow."""
    return _WINDOWS_CHARACTERS.search(part) is not None


def is_device(part: str) -> bool:
    """Return whether Windows has a device of a name, whatever its suffix."""
    return part.split(".", maxsplit=1)[0].rstrip(" ").lower() in _DEVICES
