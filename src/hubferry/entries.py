"""What the name and the first bytes of a file say about it. Pure rules; `hubs.folder.survey` is who looks.

Names are POSIX paths below the folder in question. Sources: the official clients' own constants, the
git-lfs specification (docs/spec.md), aria2's manual, and what browsers call a download that goes on.
"""

from __future__ import annotations

import glob
import re
import shlex
import unicodedata
from enum import Enum

from hubferry.i18n import _
from hubferry.model import BLOB_SUFFIXES
from hubferry.paths import NAME_BYTES

ALLOWABLE = frozenset({"pointers", "empty", "unfinished", "secrets"})
"""Words of `--allow`: what is otherwise refused or left out, and may be copied as it is when it is meant."""
IGNORE_FILE = ".hubferryignore"
"""Patterns in gitignore's syntax, for what lies in its own folder and below."""
ARIA2 = ".aria2"
"""Suffix of the file in which aria2 keeps what is still missing of the one beside it."""
POINTER_BYTES = 1024
"""A Git LFS pointer is smaller than this (docs/spec.md of git-lfs)."""
READABLE_BYTES = 1 << 20
"""Larger files are not searched for tokens."""

_WEIGHTS = BLOB_SUFFIXES | {
    ".caffemodel", ".engine", ".ggml", ".gguf", ".llamafile", ".mar", ".mnn", ".nemo", ".onnx_data",
    ".params", ".pdiparams", ".pdmodel", ".pdparams", ".plan", ".pte", ".ptl", ".safetensor", ".weights",
}  # fmt: skip
_NOTE_FILES = frozenset({
    ".directory", ".ds_store", ".git", ".localized", ".mdl", ".ms_upload_cache", ".ms_upload_progress",
    ".msc", ".mv", "desktop.ini", "thumbs.db", IGNORE_FILE,
})  # fmt: skip
_NOTE_FOLDERS = frozenset({
    "$recycle.bin", ".fseventsd", ".git", ".hfd", ".hg", ".hubferry", ".ipynb_checkpoints", ".locks",
    ".ms_upload_cache", ".ms_upload_progress", ".mypy_cache", ".no_exist", ".pytest_cache", ".ruff_cache",
    ".spotlight-v100", ".svn", ".trashes", "._____temp", "__macosx", "__pycache__", "lost+found",
    "system volume information",
})  # fmt: skip
_CLIENT_CACHES = ("/.cache/huggingface", "/.cache/modelscope")
_DOWNLOADING_FOLDERS = ("/._____temp", "/.cache/huggingface", "/.hfd", "/.hubferry")
_UNFINISHED = (".incomplete", ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart")
_SECRET_FOLDERS = frozenset({".aws", ".gnupg", ".kube", ".ssh"})
_SECRET_FILES = frozenset({
    ".boto", ".env", ".envrc", ".git-credentials", ".htpasswd", ".netrc", ".pgpass", ".pypirc", ".s3cfg",
    "_netrc", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_rsa", "kaggle.json",
})  # fmt: skip
_SECRET_PATHS = re.compile(
    r"(?:^|/)(?:\.cache/huggingface/(?:stored_)?tokens?|\.huggingface/(?:stored_)?tokens?"
    r"|\.modelscope/credentials|\.docker/config\.json)(?:/|$)"
)
_SAMPLE_ENVIRONMENTS = frozenset({"default", "defaults", "dist", "example", "sample", "template"})
_KEY_SUFFIXES = (".pem", ".key")
_POINTER = re.compile(
    rb"version https://(?:git-lfs|hawser|git-media)\.[a-z.]+/spec/v?\d+\r?\n"
    rb"(?:ext-\d-[^\r\n]*\r?\n)*oid sha256:[0-9a-f]{64}\r?\nsize \d+\s*"
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_TOKENS = re.compile(
    rb"(?<![A-Za-z0-9_])(?:"
    rb"hf_[A-Za-z0-9]{34}"
    rb"|gh[opsur]_[A-Za-z0-9]{36}"
    rb"|github_pat_[A-Za-z0-9_]{82}"
    rb"|glpat-[A-Za-z0-9_-]{20}"
    rb"|(?:AKIA|ASIA)[A-Z0-9]{16}"
    rb"|ms-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    rb")(?![A-Za-z0-9_])"
)
_REAL_VARIETY = 9
"""Different letters in a token at least: placeholders such as `hf_xxxx` have fewer."""
_RARE = re.compile(r"[\\:]")
_DRIVE = re.compile(r"[A-Za-z]:")
_PATH_BYTES = 3072


class Trait(str, Enum):
    """What a small file's content is, besides content; the value is what records keep."""

    NONE = ""
    POINTER = "pointer"
    TOKEN = "token"  # noqa: S105 - a word, no token
    PRIVATE_KEY = "private-key"


def is_weight(path: str) -> bool:
    """Return whether a file of this name is one that is never empty, and never text."""
    name = _last(path)
    dot = name.rfind(".")
    return dot > 0 and name[dot:] in _WEIGHTS


def is_note(path: str, *, folder: bool) -> bool:
    """Return whether a tool or a desktop keeps this for itself: it is no part of a model."""
    name = _last(path)
    if folder:
        return name in _NOTE_FOLDERS or name.startswith(".trash-") or f"/{path}".endswith(_CLIENT_CACHES)
    return name in _NOTE_FILES or name.startswith("._")


def is_unfinished(path: str) -> bool:
    """Return whether a program that downloads names a file so until it is whole."""
    name = _last(path)
    return name.endswith(_UNFINISHED) and name not in _UNFINISHED


def holds_downloads(path: str) -> bool:
    """Return whether a tool puts into a folder of this name what it is downloading."""
    return f"/{path.lower()}".endswith(_DOWNLOADING_FOLDERS)


def remains_of_a_download(path: str) -> bool:
    """Return whether a file inside a tool's own folder is part of a download that did not end."""
    within = f"/{path}"
    return is_unfinished(path) or "/._____temp/" in within or within.endswith(ARIA2)


def is_secret(path: str) -> bool:
    """Return whether what has this name is for its owner's eyes: a folder or file of keys or passwords."""
    parts = path.lower().split("/")
    if not _SECRET_FOLDERS.isdisjoint(parts):
        return True
    name = parts[-1]
    if name.startswith(".env."):
        return name.rpartition(".")[2] not in _SAMPLE_ENVIRONMENTS
    return name in _SECRET_FILES or _SECRET_PATHS.search(path.lower()) is not None


def trait(path: str, content: bytes) -> Trait:
    """Return what a whole small file is; `content` is all of it."""
    if is_pointer(content):
        return Trait.POINTER
    if _PRIVATE_KEY.search(content):
        return Trait.PRIVATE_KEY if _last(path).endswith(_KEY_SUFFIXES) else Trait.TOKEN
    return Trait.TOKEN if any(_is_real(found[0]) for found in _TOKENS.finditer(content)) else Trait.NONE


def is_pointer(content: bytes) -> bool:
    """Return whether this is a Git LFS pointer, and not a text that quotes one."""
    return len(content) < POINTER_BYTES and _POINTER.fullmatch(content) is not None


def _is_real(token: bytes) -> bool:
    return len(set(token)) >= _REAL_VARIETY and not token.endswith(b"EXAMPLE")


def name_problem(path: str) -> str | None:
    """Say why no hub could hold a file of this name, None where one can."""
    if path.isascii() and path.isprintable() and len(path) <= NAME_BYTES and not _RARE.search(path):
        return None  # nearly every name there is
    parts = path.split("/")
    categories = {unicodedata.category(letter) for letter in path}
    if "Cs" in categories:
        return _("it is not valid Unicode")
    if "Cc" in categories:
        return _("it has a control character")
    if "\\" in path:
        return _("it has a backslash")
    if _DRIVE.match(path):
        return _("it is an absolute path")
    long = max(len(part.encode()) for part in parts) > NAME_BYTES or len(path.encode()) > _PATH_BYTES
    return _("it is too long") if long else None


def printable(path: str) -> str:
    """Return a name as it can be shown on any terminal."""
    return path if path.isprintable() else ascii(path)[1:-1]


def pattern(path: str) -> str:
    """Return what to type after `--exclude` to leave out this very path, or a folder that ends in `/`."""
    typed = "".join(letter if letter.isprintable() else "?" for letter in glob.escape(path))
    return shlex.quote(typed)


def _last(path: str) -> str:
    return path.rpartition("/")[2].lower()
