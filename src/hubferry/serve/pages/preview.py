"""What a page shows of a file: text as text, Markdown as what it says, pictures; never HTML as HTML."""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LARGEST = 256 << 10
"""Bytes of a text that are shown."""
_LONGEST_LINE, _MOST_LINES = 4_000, 10_000
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".ico")
_LARGEST_PICTURE = 20 << 20
_MARKDOWN = (".md", ".markdown")
_MOST_ODD = 0.02
"""Of the letters of a text so many may be none that a text has."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a page shows of a file.

    Attributes:
        kind: `text`, `markdown`, `picture`, `empty` or `none`.
        text: The lines of a text.
        markup: Markdown as markup.
        shortened: Whether not all of it is there.
    """

    kind: str
    text: str = ""
    markup: object = None
    lines: int = 0
    shortened: bool = False


async def preview_of(
    path: str,
    size: int,
    read: Callable[[int, int], Awaitable[bytes]],
    rendered: Callable[[str], object] | None,
) -> Preview:
    """Return what is shown of a file.

    Args:
        path: By whose ending pictures and Markdown are known.
        size: Bytes of the file.
        read: Returns so many bytes from there on.
        rendered: Makes markup of Markdown; None shows its source.
    """
    name = path.lower()
    if not size:
        return Preview("empty")
    if name.endswith(_PICTURES):
        return Preview("picture" if size <= _LARGEST_PICTURE else "none")
    text = _text(await read(0, min(size, LARGEST)), whole=size <= LARGEST)
    if text is None:
        return Preview("none")
    if rendered is not None and name.endswith(_MARKDOWN):
        return Preview("markdown", markup=await asyncio.to_thread(rendered, text), shortened=size > LARGEST)
    return _lines(text, shortened=size > LARGEST)


def _text(content: bytes, *, whole: bool) -> str | None:
    """Return bytes as a text, None if they are none."""
    if b"\0" in content:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(content) - 4:
            return None
        text = content[: error.start].decode()  # a letter that was cut in two
    odd = sum(unicodedata.category(letter) == "Cc" and letter not in "\t\r\n\f\x1b" for letter in text)
    return text if odd <= len(text) * _MOST_ODD else None


def _lines(text: str, *, shortened: bool) -> Preview:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    cut = [
        line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …" for line in lines[:_MOST_LINES]
    ]
    long = len(lines) > _MOST_LINES or any(len(line) > _LONGEST_LINE for line in lines[:_MOST_LINES])
    return Preview("text", "\n".join(cut), None, len(cut), shortened or long)
