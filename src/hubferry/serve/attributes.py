"""Which files a `.gitattributes` hands to LFS, and the lines that Hugging Face adds to it. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

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
        self._lines = [
            line for text in content.decode(errors="replace").splitlines() if (line := _parsed(text))
        ]

    def covers(self, path: str) -> bool:
        """Return whether a file is handed to LFS; of several lines about it the last one counts."""
        return next((lfs for pattern, lfs in reversed(self._lines) if pattern.fullmatch(path)), False)

    def with_lines_for(self, paths: list[str]) -> bytes:
        """Return the content with a line for each path, as `git lfs track` writes a path."""
        start = self.content if self.content.endswith(b"\n") or not self.content else self.content + b"\n"
        return start + "".join(f"{_escaped(path)} {_LFS}\n" for path in paths).encode()


def _parsed(text: str) -> tuple[re.Pattern[str], bool] | None:
    pattern, *settings = text.split() or [""]
    if not pattern or pattern.startswith(("#", "!")):
        return None
    if not any(setting.lstrip("-!").partition("=")[0] == "filter" for setting in settings):
        return None
    return _expression(pattern), "filter=lfs" in settings


@lru_cache(maxsize=4_096)
def _expression(pattern: str) -> re.Pattern[str]:
    """Return a pattern of git's as an expression over whole paths (gitattributes(5), gitignore(5))."""
    anchored = "/" in pattern.rstrip("/")
    found = "" if anchored else "(?:.*/)?"
    rest = pattern.removeprefix("/")
    while rest:
        for token, meaning in _TOKENS:
            if match := token.match(rest):
                found += meaning if meaning is not None else _literal(match[0])
                rest = rest[match.end() :]
                break
    return re.compile(found, re.DOTALL)


_TOKENS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"\*\*/"), "(?:.*/)?"),
    (re.compile(r"/\*\*\Z"), "/.*"),
    (re.compile(r"\*+"), "[^/]*"),
    (re.compile(r"\?"), "[^/]"),
    (re.compile(r"\[\[:space:\]\]"), r"\s"),
    (re.compile(r"\[[^\]/]+\]"), None),
    (re.compile(r"\\?.", re.DOTALL), None),
)


def _literal(text: str) -> str:
    if text.startswith("[") and len(text) > 1:
        inner = text[1:-1]
        sign = "^" if inner[0] in "!^" else ""
        return f"[{sign}{re.escape(inner[1:] if sign else inner).replace(chr(92) + '-', '-')}]"
    return re.escape(text[1:] if len(text) > 1 else text)


def _escaped(path: str) -> str:
    """Return a path as a pattern that means only itself."""
    return re.sub(r"([*?\[\]\\#!])", r"\\\1", path).replace(" ", "[[:space:]]")
