"""Say what can be said of a pickle that is none of torch's: whether its last opcode is there.

joblib writes the bytes of arrays between the opcodes, so that such a file cannot be walked; what it
compressed tells nothing. No pickle is ever loaded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hubferry.cache.formats import pytorch
from hubferry.cache.formats.flaw import Evidence, FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

_BINARY = b"\x80"
_STOP = b"."
_REMEMBERS = re.compile(rb"p\d{1,6}\n")
"""An opcode that hardly any pickle is without."""
_LEGACY_TORCH = b"\x80\x02\x8a\n" + pytorch.MAGIC.to_bytes(10, "little")
"""A file of `torch.save` under a pickle's name: it ends with a tensor."""


def examine(file: BinaryIO, size: int) -> Evidence:
    """Look for the opcode that ends a binary pickle at the end of `file`, of `size` bytes.

    Raises:
        FlawError: There is another byte.
        UnclearError: It is no binary pickle: a text one, or compressed.
    """
    head = file.read(len(_LEGACY_TORCH))
    if head == _LEGACY_TORCH:
        file.seek(0)
        return pytorch.examine(file, size)
    if not head.startswith(_BINARY):
        raise UnclearError
    file.seek(size - 1)
    if file.read(1) != _STOP:
        raise FlawError(_("is cut off: its pickle has no end"))
    return Evidence.PLAUSIBLE


def is_text(head: bytes) -> bool:
    """Return whether a file begins as a pickle of the oldest protocol, which is written in letters."""
    return _REMEMBERS.search(head) is not None
