"""What the bytes of a repository are, by the names of its files. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry import units
from hubferry.i18n import N_, _
from hubferry.pages import Share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.serve.records import FileRecord

_SUFFIXES = {
    ".safetensors": "safetensors",
    ".gguf": "GGUF",
    ".bin": "PyTorch",
    ".pt": "PyTorch",
    ".pth": "PyTorch",
    ".ckpt": "PyTorch",
    ".onnx": "ONNX",
    ".onnx_data": "ONNX",
    ".h5": "Keras",
    ".keras": "Keras",
    ".msgpack": "Flax",
    ".tflite": "TFLite",
    ".pb": "TensorFlow",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".tar": N_("archives"),
    ".zip": N_("archives"),
    ".gz": N_("archives"),
    ".zst": N_("archives"),
    ".jsonl": N_("data"),
    ".csv": N_("data"),
    ".tsv": N_("data"),
    ".py": N_("code"),
    ".md": N_("documents"),
    ".pdf": N_("documents"),
    ".txt": N_("documents"),
    ".png": N_("pictures and sound"),
    ".jpg": N_("pictures and sound"),
    ".jpeg": N_("pictures and sound"),
    ".gif": N_("pictures and sound"),
    ".webp": N_("pictures and sound"),
    ".svg": N_("pictures and sound"),
    ".wav": N_("pictures and sound"),
    ".mp3": N_("pictures and sound"),
    ".mp4": N_("pictures and sound"),
    ".json": N_("settings"),
    ".yaml": N_("settings"),
    ".yml": N_("settings"),
    ".jinja": N_("settings"),
}
_TOKENIZER = ("tokenizer", "vocab", "merges", "spiece", "sentencepiece", "added_tokens", "special_tokens")
_MOST = 7
_OTHER = N_("other")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a commit's files are together.

    Attributes:
        files: How many there are.
        size: Bytes of all.
        parts: Bytes by kind, the most first; names that are to be translated are so when they are shown.
    """

    files: int
    size: int
    parts: tuple[tuple[str, int], ...]

    def shares(self) -> list[Share]:
        """Return the parts as a page draws them, in the language of the moment."""
        return [Share(_(kind), count, units.size(count)) for kind, count in self.parts]


def kind_of(path: str) -> str:
    """Return what a file is, by its name."""
    name = path.rpartition("/")[2].lower()
    if name.startswith(_TOKENIZER) or name.endswith((".model", ".tiktoken")):
        return N_("tokenizer")
    dot = name.rfind(".")
    return _SUFFIXES.get(name[dot:] if dot >= 0 else "", _OTHER)


def summed_up(files: Mapping[str, FileRecord]) -> Summary:
    """Return what the files of a commit are together."""
    found: dict[str, int] = {}
    for path, file in files.items():
        kind = kind_of(path)
        found[kind] = found.get(kind, 0) + file.size
    ordered = sorted(found.items(), key=lambda item: (item[0] == _OTHER, -item[1]))
    kept, rest = ordered[:_MOST], ordered[_MOST:]
    if rest:
        left = sum(count for kind, count in kept if kind == _OTHER) + sum(count for _kind, count in rest)
        kept = [*((kind, count) for kind, count in kept if kind != _OTHER), (_OTHER, left)]
    shown = tuple((kind, count) for kind, count in kept if count)
    return Summary(len(files), sum(found.values()), shown)
