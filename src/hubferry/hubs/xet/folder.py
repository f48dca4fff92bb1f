"""Reading a file out of a folder in Xet's formats, by the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_xet_file(address: str, xet_hash: str, size: int) -> Iterator[bytes]:
    """Yield the content of a file, given a `local://` address, its Merkle hash and its size in bytes.

    Raises:
        RuntimeError: It is not there, or another process holds the folder.
    """
    import hf_xet  # type: ignore[import-untyped]  # a compiled module without stubs

    group = hf_xet.XetSession().new_download_stream_group(address)
    for block in group.download_stream(hf_xet.XetFileInfo(xet_hash, size)):
        yield bytes(block)
