"""Which files a hub keeps outside of git. Pure."""

from __future__ import annotations

from hubferry.model import BLOB_SUFFIXES

_MEDIA = [".gguf", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".mp3", ".mp4", ".wav", ".flac"]
_SUFFIXES = BLOB_SUFFIXES.union(_MEDIA)
_THRESHOLD = 10 * 1024 * 1024
NEVER = frozenset(
    [
        "readme.md",
        ".gitattributes",
        ".gitignore",
        "configuration.json",
        "configuration.yaml",
        "configuration.yml",
        "dataset_infos.json",
        "config.json",
        ".msc",
        ".mdl",
    ]
)
"""Names that are never blobs: a hub reads them (UPLOAD_INLINE_METADATA_PATHS of modelscope_hub)."""


def never_lfs(path: str) -> bool:
    """Return whether the hub must be able to read this file itself."""
    return path.rpartition("/")[2].lower() in NEVER


def is_lfs(path: str, size: int, sample: bytes) -> bool:
    """Return how the hub wants a file of `size` bytes beginning with `sample`: as a blob, or in git.

    Empty files are always regular (huggingface_hub._commit_api._fetch_upload_modes).
    """
    if size == 0 or never_lfs(path):
        return False
    name = path.rpartition("/")[2].lower()
    return any(name.endswith(suffix) for suffix in _SUFFIXES) or is_large_or_binary(size, sample)


def is_large_or_binary(size: int, sample: bytes) -> bool:
    """Return whether the hub wants a file as a blob whatever its name is."""
    return size > _THRESHOLD or b"\0" in sample
