"""Which files a `.gitattributes` hands to LFS, and the lines that Hugging Face adds to it. Pure."""

from __future__ import annotations

import re

from hubferry.serve.wildmatch import compiled

ATTRIBUTES = ".gitattributes"
_LFS = "filter=lfs diff=lfs merge=lfs -text"
_MODEL = (
    "7z arrow bin bz2 ckpt ftz gz h5 joblib lfs.* mlmodel model msgpack npy npz onnx ot parquet pb pickle "
    "pkl pt pth rar safetensors saved_model/**/* tar.* tar tflite tgz wasm xz zip zst *tfevents*"
)
_DATASET = (
    "7z arrow avro bin bz2 ckpt ftz gz h5 joblib lfs.* lz4 mds mlmodel model msgpack npy npz onnx ot "
    "parquet pb pickle pkl pt pth rar safetensors saved_model/**/* tar.* tar tflite tgz wasm xz zip zst "
    "*tfevents* pcm sam raw aac flac mp3 ogg wav bmp gif png tiff jpg jpeg webp mp4 webm"
)


def initial_attributes(kind: str) -> bytes:
    """Return what a new Hugging Face repository has, by its type."""
    words = (_DATASET if kind == "dataset" else _MODEL).split()
    patterns = (word if word[0] == "*" or "/" in word else f"*.{word}" for word in words)
    return "".join(f"{pattern} {_LFS}\n" for pattern in patterns).encode()


class Attributes:
    """The lines of a `.gitattributes` at the top of a repository."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._lines = [line for text in content.split(b"\n") if (line := _parsed(text.decode("latin-1")))]

    def covers(self, path: str) -> bool:
        """Return whether a file is handed to LFS; of several lines about it the last one counts."""
        octets = path.encode(errors="replace").decode("latin-1")
        return next((lfs for pattern, lfs in reversed(self._lines) if pattern.fullmatch(octets)), False)

    def with_lines_for(self, paths: list[str]) -> bytes:
        """Return the content with a line for each path, as `git lfs track` writes a path."""
        start = self.content if self.content.endswith(b"\n") or not self.content else self.content + b"\n"
        return start + "".join(f"{_escaped(path)} {_LFS}\n" for path in paths).encode()


def _parsed(text: str) -> tuple[re.Pattern[str], bool] | None:
    pattern, *settings = re.split(r"[ \t\r]+", text.strip(" \t\r"))
    about = [setting for setting in settings if setting.lstrip("-!").partition("=")[0] == "filter"]
    if not about or pattern.startswith(("#", "!")):
        return None
    return compiled(pattern), about[-1] == "filter=lfs"


def _escaped(path: str) -> str:
    """Return a path as a pattern that means it, and in folders below one of that name too."""
    return re.sub(r"([*?\[\]\\#!\"])", r"\\\1", path).replace(" ", "[[:space:]]")
