"""SHA256SUMS, as `sha256sum -c` of the GNU coreutils reads it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubferry.receipts.document import ReceiptFile

NAME = "SHA256SUMS"
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def sums(files: Iterable[ReceiptFile]) -> bytes:
    """Return a line for each file whose sha256 is known.

    A name with a backslash or the end of a line in it is escaped, and its line begins with a backslash: so
    coreutils' digest.c writes and reads them.
    """
    return b"".join(_line(file) for file in files if file.sha256 is not None)


def _line(file: ReceiptFile) -> bytes:
    name = "".join(_ESCAPES.get(letter, letter) for letter in file.path)
    mark = "" if name == file.path else "\\"
    return f"{mark}{file.sha256}  {name}\n".encode("utf-8", "surrogateescape")
