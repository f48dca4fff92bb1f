"""Formats whose length stands in one place: HDF5, tar, and OpenVINO's weights beside their XML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import cut_off
from hubferry.cache.formats.flaw import Evidence, FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

HDF5 = b"\x89HDF\r\n\x1a\n"
_WIDE_OFFSETS = 8
_TAR_BLOCK = 512
_CONSTANT = re.compile(rb'\boffset="(\d{1,19})"[^<>]{0,200}?\bsize="(\d{1,19})"')
_LONGEST_CONSTANT = 512
_PIECE = 1 << 20
_LONGEST_NETWORK = 256 << 20
"""Bytes of XML that are read of one network; the largest real ones have a tenth of it."""


def examine_hdf5(file: BinaryIO, size: int) -> Evidence:
    """Hold the end-of-file address of the superblock against `size`.

    Raises:
        FlawError: The file is shorter.
    """
    head = file.read(56)
    if len(head) < 56:  # noqa: PLR2004  # the shortest superblock
        raise cut_off(size, 56)
    version = head[8]
    if version <= 1:
        width, base, end = head[13], 24 + 4 * version, 40 + 4 * version
    else:
        width, base, end = head[9], 12, 28
    if not head.startswith(HDF5) or width != _WIDE_OFFSETS:
        raise UnclearError
    expected = int.from_bytes(head[base : base + 8], "little") + int.from_bytes(head[end : end + 8], "little")
    if size < expected:
        raise cut_off(size, expected)
    return Evidence.PROVEN


def is_tar(head: bytes) -> bool:
    """Return whether a file that begins so is an archive of tar, as the oldest `torch.save` wrote."""
    return head[257:262] == b"ustar"


def examine_tar(file: BinaryIO, size: int) -> Evidence:
    """Hold `size` against tar's blocks; a compressed archive tells nothing.

    Raises:
        FlawError: The last block is not whole, or not the empty one that ends an archive.
    """
    if not is_tar(file.read(_TAR_BLOCK)):
        raise UnclearError
    if size % _TAR_BLOCK:
        raise cut_off(size, -(-size // _TAR_BLOCK) * _TAR_BLOCK)
    file.seek(size - _TAR_BLOCK)
    if any(file.read(_TAR_BLOCK)):
        raise FlawError(_("is cut off: the archive has no end"))
    return Evidence.PROVEN


def examine_openvino(description: Path, size: int) -> Evidence:
    """Hold the constants that the XML file `description` places against `size`.

    Raises:
        FlawError: The weights are shorter.
        UnclearError: It places none, or is too long.
    """
    expected = 0
    tail = b""
    with description.open("rb") as file:
        while piece := file.read(_PIECE):
            if file.tell() > _LONGEST_NETWORK:
                raise UnclearError
            text = tail + piece
            for match in _CONSTANT.finditer(text):
                expected = max(expected, int(match[1]) + int(match[2]))
            tail = text[-_LONGEST_CONSTANT:]
    if not expected:
        raise UnclearError
    if size < expected:
        raise cut_off(size, expected)
    return Evidence.PROVEN
