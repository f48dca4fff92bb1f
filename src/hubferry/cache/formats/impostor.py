"""Notice what is no weights: an LFS pointer, a web page, a hub's error under a weight file's name."""

from __future__ import annotations

from hubferry.cache.formats.flaw import FlawError
from hubferry.i18n import _

_POINTER = b"version https://git-lfs.github.com/spec/v"
_LONGEST_ERROR = 4096
_PAGES = (b"<!doctype", b"<html", b"<?xml")


def refuse_impostors(head: bytes, size: int, *, may_be_text: bool = False) -> None:
    """Raise a FlawError if `head`, the first bytes of a file of `size` bytes, is none of weights.

    Args:
        head: The first bytes.
        size: How many there are altogether.
        may_be_text: Whether a short text may have the file's name with good reason.
    """
    if head.startswith(_POINTER):
        raise FlawError(_("is a Git LFS pointer: the weights themselves were never fetched"))
    begin = head.lstrip()[:16].lower()
    if begin.startswith(_PAGES):
        raise FlawError(_("is a web page, not weights"))
    if size <= _LONGEST_ERROR and head and not may_be_text and _is_text(head):
        raise FlawError(_("is a short text, not weights"))


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        return False
    return text.isprintable() or all(character.isprintable() or character in "\r\n\t" for character in text)
