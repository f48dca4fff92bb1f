"""A volume as ordinary tools see it: a tar archive whose headers say nothing but name and size. No I/O.

    <name>/volume-0003.json      the index of the whole bundle, the same in each volume
    <name>/files/<folder>/<path>                 a whole file
    <name>/parts/<folder>/<path>/0002-of-0005    a piece of one that is cut over volumes
    <name>/README.txt, check.py, SHA256SUMS      for who has no hubferry
    <name>/volume-0003.sha256    what the files and pieces of this volume hash to

A reader of ours parses the first header alone, and believes no other: the index says where everything is.
"""

from __future__ import annotations

import re
import tarfile

BLOCK = 512
END = bytes(2 * BLOCK)
"""What ends an archive."""
_INDEX = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,79})/volume-(\d{4,6})\.json")
_PLAIN_NAME = 100
_PLAIN_SIZE = 8**11 - 1
"""What a header without an extension takes."""
_FILE_NAME = re.compile(r".+-(\d{4,6})\.tar", re.DOTALL)


def volume_name(name: str, number: int) -> str:
    """Return what the file of a volume is called; every filesystem takes it."""
    return f"{name}-{number:04}.tar"


def number_in(file_name: str) -> int | None:
    """Return which volume a file is by its name, None where that says nothing."""
    match = _FILE_NAME.fullmatch(file_name)
    return int(match[1]) if match else None


def index_member(name: str, number: int) -> str:
    """Return the name of the first member of a volume."""
    return f"{name}/volume-{number:04}.json"


def header(member: str, size: int) -> bytes:
    """Return the header of a member; always the same for the same name and size in bytes."""
    info = tarfile.TarInfo(member)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def header_length(member: str, size: int) -> int:
    """Return the bytes of that header, without making it where it is a plain one."""
    plain = member.isascii() and len(member) <= _PLAIN_NAME and size <= _PLAIN_SIZE
    return BLOCK if plain else len(header(member, size))


def padding(size: int) -> bytes:
    """Return what comes between a member of `size` bytes and the next header."""
    return bytes(-size % BLOCK)


def padded(size: int) -> int:
    """Return the bytes that the content of a member takes, with what fills its last block."""
    return size + -size % BLOCK


def index_in(block: bytes) -> tuple[int, int] | None:
    """Return a volume's number and the bytes of its index, by its first 512 bytes; None if it is none."""
    info = _header_in(block)
    match = _INDEX.fullmatch(info.name) if info is not None else None
    return None if info is None or match is None else (int(match[2]), info.size)


def size_in(block: bytes) -> int | None:
    """Return the bytes of the member whose header these 512 bytes are; None if they are none."""
    info = _header_in(block)
    return None if info is None else info.size


def _header_in(block: bytes) -> tarfile.TarInfo | None:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return None
    return info if info.type == tarfile.REGTYPE and info.size >= 0 else None
