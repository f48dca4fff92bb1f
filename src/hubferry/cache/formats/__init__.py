"""Look at one weight file's header and say whether the file can be whole. Only stat and header reads.

Every format module takes an open file and its size, raises FlawError for a file that contradicts itself,
UnclearError for one that proves nothing, and never loads, runs, or allocates what a file asks it to.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.cache.formats import archive, fixed, gguf, messagepack, onnx, protobuf, pytorch, safetensors
from hubferry.cache.formats.flaw import Evidence, FlawError, UnclearError
from hubferry.cache.formats.impostor import refuse_impostors
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["WEIGHT_SUFFIXES", "Evidence", "FlawError", "examine", "is_weight", "suffix_of"]

_BY_SUFFIX = {
    ".safetensors": safetensors.examine,
    ".gguf": gguf.examine,
    ".h5": fixed.examine_hdf5,
    ".hdf5": fixed.examine_hdf5,
    ".msgpack": messagepack.examine,
    ".pb": protobuf.examine,
    ".nemo": fixed.examine_tar,
    **dict.fromkeys((".npz", ".keras", ".ot", ".mar", ".ptl"), archive.examine),
}
_BY_MAGIC = (
    (archive.MEMBER, archive.examine),
    (b"\x80", pytorch.examine),
    (b"GGUF", gguf.examine),
    (fixed.HDF5, fixed.examine_hdf5),
)
_OTHERS = {".bin", ".pt", ".pth", ".ckpt", ".th", ".ggml", ".tflite", ".mlmodel", ".pdparams", ".pdiparams"}
WEIGHT_SUFFIXES = frozenset({".onnx", ".onnx_data", ".params", *_BY_SUFFIX, *_OTHERS})
"""Lower-case suffixes of files that are weights or keep state in the same formats."""

_TRAINING_STATE = ("training_args", "optimizer", "scheduler", "rng_state", "scaler", "random_states")


def suffix_of(path: str) -> str:
    """Return the lower-case suffix of a path, with its dot."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def is_weight(path: str) -> bool:
    """Return whether a path names weights, not what a training run leaves beside them."""
    name = path.rpartition("/")[2]
    return suffix_of(path) in WEIGHT_SUFFIXES and not name.startswith(_TRAINING_STATE)


def examine(path: Path, size: int, *, needed: dict[str, int] | None = None) -> Evidence:
    """Look at the weight file at `path`, of `size` bytes.

    Args:
        path: A regular file, or a link to one.
        size: Its length in bytes.
        needed: Takes the bytes that other files must have for this one to be whole, by their location
            relative to its folder.

    Raises:
        FlawError: The file contradicts itself.
        OSError: It cannot be read.
    """
    if size == 0:
        raise FlawError(_("is empty"))
    with os.fdopen(disk.open(path, os.O_RDONLY), "rb") as file:
        head = file.read(4096)
        refuse_impostors(head, size)
        file.seek(0)
        try:
            return _examine(path, file, size, head, {} if needed is None else needed)
        except UnclearError:
            return Evidence.PLAUSIBLE


def _examine(path: Path, file: BinaryIO, size: int, head: bytes, needed: dict[str, int]) -> Evidence:
    suffix = suffix_of(path.name)
    if suffix == ".onnx":
        return onnx.examine(file, size, needed)
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix](file, size)
    for magic, look in _BY_MAGIC:
        if head.startswith(magic):
            return look(file, size)
    description = path.with_suffix(".xml")
    if suffix == ".bin" and description.is_file():
        return fixed.examine_openvino(description, size)
    return Evidence.PLAUSIBLE
