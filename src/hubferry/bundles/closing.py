"""What each volume ends with: its sums, the sums of all files, and what is needed where no hubferry is.

None of it is part of what tells one bundle from another, and a reader of ours needs only the sums.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import planning
from hubferry.bundles import layout
from hubferry.hubs.bundle import archive
from hubferry.receipts.document import ReceiptFile
from hubferry.receipts.sums import sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hubferry.hubs.bundle.index import BundledModel, Index, Piece

CHECKER = "check.py"
RESERVED = 64 << 10
"""Bytes for the page and the checker, with their headers."""
_NO_SUM = "0" * 64
_README = """\
This is a volume of a bundle that `hubferry bundle` has written: repositories of models or datasets, carried
to where there is no network.

Is everything here, and right? Python 3.6 or newer is enough:

    python3 check.py [DIRECTORY ...]

With hubferry, into its cache, to a hub, or to a folder:

    hubferry unbundle DIRECTORY
    hubferry unbundle DIRECTORY ms:org/name
    hubferry unbundle DIRECTORY --to ./folder

Without it, the volumes are tar archives:

    for volume in {name}-*.tar; do tar -xf "$volume"; done
    cd {name}
    find parts -type f -name '00001' | while read -r first; do
        whole=$(dirname "$first"); target=files/${{whole#parts/}}
        mkdir -p "$(dirname "$target")" && cat "$whole"/* > "$target"
    done
    sha256sum --check SHA256SUMS

volume-NNNN.json, the same in every volume, says what the whole is: each repository with its commit, each file
with its sha256, and which bytes are in which volume.
"""


@cache
def checker() -> bytes:
    """Return the program that checks a bundle with nothing but Python's own library."""
    return Path(__file__).with_name(CHECKER).read_bytes()


def readme(name: str) -> bytes:
    """Return the page for a person who finds a volume."""
    return _README.format(name=name).encode()


def sums_of_all(models: Sequence[BundledModel]) -> bytes:
    """Return the sums of all whole files of a bundle, as they are after unpacking every volume by hand."""
    files = []
    for model in models:
        listed = [file.listed() for file in model.files]
        files += [
            ReceiptFile(f"files/{model.folder}/{file.path}", file.size or 0, file.sha256)
            for file in planning.select(listed, model.include, model.exclude)
        ]
    return sums(files)


def members(
    name: str, number: int, own: Sequence[tuple[str, str]], sums_of_all_files: bytes
) -> Iterator[bytes]:
    """Yield the last members of a volume; `own` has the sha256 and the name of each piece."""
    yield from _member(f"{name}/volume-{number:04}.sha256", _own_sums(own))
    for member, content in _fixed(name, sums_of_all_files):
        yield from _member(member, content)


def reserved(sums_of_all_files: bytes) -> int:
    """Return the bytes that a volume leaves for these members, whatever page and checker will be one day.

    So every version cuts the same repositories alike, and a volume that is made again is none too large.
    """
    return archive.BLOCK + archive.padded(len(sums_of_all_files)) + RESERVED


def length(name: str, sums_of_all_files: bytes) -> int:
    """Return the bytes of all members but the sums of the volume itself."""
    return sum(
        len(piece)
        for member, content in _fixed(name, sums_of_all_files)
        for piece in _member(member, content)
    )


def length_of_sums(index: Index, number: int, numbers: Mapping[Piece, int]) -> int:
    """Return the bytes of the sums of one volume."""
    pieces = index.volumes[number - 1].pieces
    return len(_own_sums([(_NO_SUM, layout.member_of(index, one, numbers[one])) for one in pieces]))


def _own_sums(own: Sequence[tuple[str, str]]) -> bytes:
    return sums(ReceiptFile(member, 0, sha256) for sha256, member in own)


def _fixed(name: str, sums_of_all_files: bytes) -> tuple[tuple[str, bytes], ...]:
    return (
        (f"{name}/SHA256SUMS", sums_of_all_files),
        (f"{name}/README.txt", readme(name)),
        (f"{name}/{CHECKER}", checker()),
    )


def _member(member: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    return archive.header(member, len(content)), content, archive.padding(len(content))
