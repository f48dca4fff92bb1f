"""What a name says about an entry of a folder. Pure rules; `hubs.directory_survey` is who looks."""

from __future__ import annotations

ALLOWABLE = frozenset({"pointers", "empty", "unfinished", "secrets"})
"""Words of `--allow`: what is otherwise refused or left out, and may be copied as it is when it is meant."""

_NOTE_FILES = frozenset({".ds_store", ".mdl", ".ms_upload_cache", ".ms_upload_progress", ".msc", ".mv"})
_NOTE_FOLDERS = frozenset({".git", ".hfd", ".ms_upload_cache", ".ms_upload_progress", "._____temp"})
_CLIENT_CACHES = ("/.cache/huggingface", "/.cache/modelscope")


def is_note(path: str, *, folder: bool) -> bool:
    """Return whether a tool or a desktop keeps this for itself: it is no part of a model."""
    name = path.rpartition("/")[2].lower()
    if folder:
        return name in _NOTE_FOLDERS or f"/{path}".endswith(_CLIENT_CACHES)
    return name in _NOTE_FILES
