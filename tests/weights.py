"""Write small weight files of rarer formats, with headers that their libraries would take."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING

from tests.models import write_file

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1200
SMALL = {"a": 600, "b": 600}


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def hdf5(path: Path, size: int = SIZE) -> Path:
    head = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
    return write_file(path, (head + struct.pack("<QQQQ", 0, 2**64 - 1, size, 2**64 - 1)).ljust(size, b"\7"))


def msgpack(path: Path) -> Path:
    return write_file(path, b"\x81\xa1a\xc6" + struct.pack(">I", SIZE) + b"\1" * SIZE)


def openvino(path: Path, size: int = SIZE) -> None:
    text = f'<?xml version="1.0"?>\n<net name="x"><data offset="0" shape="1" size="{size}" /></net>'
    write_file(path, text)
    write_file(path.with_suffix(".bin"), b"\1" * size)


def tar(path: Path, names: tuple[str, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = SIZE
            archive.addfile(member, io.BytesIO(b"\1" * SIZE))
    return path


def joblib(path: Path) -> Path:
    """Write bytes of an array between opcodes, as joblib does."""
    return write_file(path, b"\x80\x04\x95" + struct.pack("<Q", 4) + b"\x8c\x01ab" + b"\xff" * SIZE + b".")


def executorch(path: Path) -> Path:
    program, begin, segments = 400, 512, SIZE
    head = struct.pack("<I4s4sIQQQ", 40, b"ET12", b"eh00", 32, program, begin, segments)
    return write_file(path, head.ljust(begin, b"\0") + b"\1" * segments)


def litertlm(path: Path, sections: int = 2) -> Path:
    """Write a FlatBuffer of sections, each in a block of its own, then the blocks."""
    block = 16384

    def section(number: int) -> bytes:
        begin, end = block * (number + 1), block * (number + 1) + SIZE
        return struct.pack("<HHHHHxxiIQQ", 10, 24, 0, 8, 16, 12, 0, begin, end)

    # vtable and table of the root, of the section list, then the vector and the sections
    root = struct.pack("<I", 12) + struct.pack("<HHHH", 8, 8, 0, 4) + struct.pack("<iI", 8, 12)
    listed = struct.pack("<HHHxx", 6, 8, 4) + struct.pack("<iI", 8, 4)
    start = len(root) + len(listed) + 4
    each = len(section(0))
    offsets = [start + 4 * sections + each * n + 12 - (start + 4 * n) for n in range(sections)]
    vector = struct.pack(f"<I{sections}I", sections, *offsets)
    body = root + listed + vector + b"".join(map(section, range(sections)))
    head = struct.pack("<8s3I4xQ", b"LITERTLM", 1, 0, 0, 32 + len(body)) + body
    data = b"".join((b"\1" * SIZE).ljust(block, b"\0") for _number in range(sections))
    return write_file(path, (head.ljust(block, b"\0") + data)[: block * sections + SIZE])


def opaque(path: Path, magic: bytes = b"\xff\xfe", size: int = SIZE) -> Path:
    return write_file(path, magic.ljust(size, b"\1"))
