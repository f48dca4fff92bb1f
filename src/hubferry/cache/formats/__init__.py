"""Look at one weight file's header and say whether the file can be whole. Only stat and header reads.

Every format module takes an open file and its size, raises FlawError for a file that contradicts itself,
UnclearError for one that proves nothing, and never loads, runs, or allocates what a file asks it to.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.cache.formats import (
    archive,
    fixed,
    flatbuffers,
    gguf,
    messagepack,
    onnx,
    pickled,
    protobuf,
    pytorch,
    safetensors,
)  # fmt: skip
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
    ".pte": flatbuffers.examine_executorch,
    ".litertlm": flatbuffers.examine_litertlm,
    **dict.fromkeys((".npz", ".keras", ".ot", ".mar", ".ptl", ".pt2", ".dduf", ".skops"), archive.examine),
}
_PICKLES = frozenset({".pkl", ".pickle", ".joblib"})
_BY_MAGIC = (
    (archive.MEMBER, archive.examine),
    (b"\x80", pytorch.examine),
    (b"GGUF", gguf.examine),
    (fixed.HDF5, fixed.examine_hdf5),
)
_OTHERS = frozenset({
    ".bin", ".pt", ".pth", ".ckpt", ".th", ".t7", ".params", ".onnx_data", ".distcp", ".weights",
    ".ggml", ".llamafile", ".mlmodel", ".tflite", ".task", ".mnn", ".engine", ".plan", ".trt",
    ".caffemodel", ".pdparams", ".pdiparams", ".pdmodel", ".mindir", ".ms", ".rknn", ".rkllm", ".om", ".hef",
    ".dlc", ".axmodel", ".bmodel", ".cbm", ".ubj", ".ftz", ".jit",
})  # fmt: skip
_OF_OTHER_THINGS = frozenset({".plan", ".task", ".weights", ".ms", ".om", ".dlc", ".jit", ".engine"})
"""Suffixes that text files of other programs have as well."""
WEIGHT_SUFFIXES = frozenset({".onnx", *_BY_SUFFIX, *_PICKLES, *_OTHERS})
"""Lower-case suffixes of files that are weights or keep state in the same formats."""

_TRAINING_STATE = ("training_args", "optimizer", "scheduler", "rng_state", "scaler", "random_states")
_READ_AHEAD = 8192
"""Bytes, as few headers are longer; a Python from 3.14 on would read 128 KiB of each file."""
_PIECE = re.compile(r"(\.part\d+of\d+|-split-[a-z])$")
"""Ends the names of pieces that a file was cut into to be uploaded."""
_WITHOUT_SUFFIX = re.compile(r"(.+\.mnn\.weight|.+\.data-\d+-of-\d+|model)", re.IGNORECASE)
"""Weights of MNN, TensorFlow, and spaCy, which calls a component's `model`."""


def suffix_of(path: str) -> str:
    """Return the lower-case suffix of a path, with its dot."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def is_weight(path: str) -> bool:
    """Return whether a path names weights, not what a training run leaves beside them."""
    name = path.rpartition("/")[2]
    if name.startswith(_TRAINING_STATE):
        return False
    if suffix_of(name) in WEIGHT_SUFFIXES or _WITHOUT_SUFFIX.fullmatch(name):
        return True
    return suffix_of(_PIECE.sub("", name)) in WEIGHT_SUFFIXES


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
    suffix = suffix_of(path.name)
    description = path.with_suffix(".xml") if suffix == ".bin" else None
    if size == 0 and not (description and description.is_file()):  # a network may have no constants
        raise FlawError(_("is empty"))
    with os.fdopen(disk.open(path, os.O_RDONLY), "rb", buffering=_READ_AHEAD) as file:
        head = file.read(4096)
        may_be_text = suffix in _OF_OTHER_THINGS or (suffix in _PICKLES and pickled.is_text(head))
        refuse_impostors(head, size, may_be_text=may_be_text)
        file.seek(0)
        try:
            if suffix == ".onnx":
                return onnx.examine(file, size, {} if needed is None else needed)
            return _examine(suffix, file, size, head, description)
        except UnclearError:
            return Evidence.PLAUSIBLE


def _examine(suffix: str, file: BinaryIO, size: int, head: bytes, description: Path | None) -> Evidence:
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix](file, size)
    if suffix in _PICKLES and not head.startswith(archive.MEMBER):
        return pickled.examine(file, size)
    for magic, look in _BY_MAGIC:
        if head.startswith(magic):
            return look(file, size)
    if fixed.is_tar(head):
        return fixed.examine_tar(file, size)
    if description is not None and description.is_file():
        return fixed.examine_openvino(description, size)
    return Evidence.PLAUSIBLE
