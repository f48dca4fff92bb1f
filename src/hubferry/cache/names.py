"""Names: a repository's directory, and which of a hub's file names may become files. No I/O.

A hub's file name is data that anybody may have written. What could leave the model's directory, hide in our
own records, or fall together with another file is refused before a byte is fetched; nothing is renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.errors import IntegrityError
from hubferry.i18n import _
from hubferry.paths import (
    MOST_PARTS,
    NAME_BYTES,
    PATH_BYTES,
    ends_oddly,
    fold,
    has_windows_characters,
    is_device,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hubferry.model import RepoRef

RECORDS = ".hubferry"
"""The directory, inside a model's, that holds what we remember about it."""
PASSING_PREFIX = ".passing-"
"""Begins the name of a directory that is gone when its run ends."""
DOOMED_SUFFIX = ".hubferry-deleting"
"""Ends the hidden name of a directory that is being deleted, or whose deletion was interrupted."""
NEXT_SUFFIX = ".hubferry-next"
"""Ends the hidden name of a tree that takes a model's place, or was replaced, at this moment."""

_RESERVED_TOPS = frozenset({RECORDS, ".git"})
_PATH_BYTES = 3072
"""Of any path; where the model's own directory is deep there is less, see `room_in`."""
_NEXT_ROOM = len(f"{RECORDS}/next/".encode())
_ASIDE_BYTES = 64
"""Of the hidden name under which a tree takes a model's place, at most."""
_NAME_BYTES = 180
_DIGITS = 8
_DEFAULT_BRANCHES = frozenset({"main", "master"})
"""Of Hugging Face and of ModelScope."""
_REVISION_LENGTH = 50
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_PLAIN_LENGTH = 200
_EVERYWHERE = ".gitattributes"
"""Nearly every repository has one, and a list of models looks at each."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing is to be written.

    Attributes:
        tells_case_apart: Asked only when two names differ in case alone: whether the filesystem keeps both.
            Names that differ only in Unicode composition are refused anywhere.
        room: Bytes that a path may have there; see `room_in`.
    """

    tells_case_apart: Callable[[], bool] = lambda: False
    room: int = _PATH_BYTES


NOWHERE = Place()


def safe_name(repo_id: str) -> str:
    """Return the directory name of a repository: whatever is neither letter nor digit becomes `_`."""
    return _shorten(re.sub(r"[^\w]", "_", repo_id), repo_id)


def dotted_name(repo_id: str) -> str:
    """Return the name as older caches spelled it: with the dots kept."""
    name = re.sub(r"[^\w.]", "_", repo_id)
    return safe_name(repo_id) if name.startswith(".") else _shorten(name, repo_id)


def plain_names(ref: RepoRef) -> tuple[str, ...]:
    """Return the directory names that a repository may have, the current spelling first.

    A hub that a configuration file names leaves the plain names to those that everybody knows.
    """
    if ref.home is not None:
        return (suffixed_name(ref),)
    return tuple(dict.fromkeys((safe_name(ref.repo_id), dotted_name(ref.repo_id))))


def suffixed_name(ref: RepoRef) -> str:
    """Return the name for a repository whose plain name another one has, or may have.

    The hyphen keeps it apart from every plain name, which has none.
    """
    identity = f"{ref.hub}:{ref.repo_type}:{ref.repo_id}" + (f" at {ref.home}" if ref.home else "")
    return f"{safe_name(ref.repo_id)}-{_digest(identity)}"


def named_revision(ref: RepoRef) -> str | None:
    """Return the revision that `ref` asks for by name; None where it means the default branch."""
    return None if ref.revision in _DEFAULT_BRANCHES else ref.revision


def directory_names(ref: RepoRef) -> tuple[str, ...]:
    """Return the directory names that a revision of a repository may have, the best first.

    The last one is for a repository whose plain name another one has.
    """
    revision = named_revision(ref)
    ending = "" if revision is None else f"@{_safe_revision(revision)}"
    return tuple(name + ending for name in (*plain_names(ref), suffixed_name(ref)))


def _safe_revision(revision: str) -> str:
    """Return a revision as a part of a name; what had to be folded, or cut, gets a digest."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", revision)[:_REVISION_LENGTH]
    return safe if safe == revision else f"{safe}-{_digest(revision)}"


def _shorten(name: str, repo_id: str) -> str:
    encoded = name.encode()
    if len(encoded) <= _NAME_BYTES:
        return name
    return encoded[:_NAME_BYTES].decode(errors="ignore") + "-" + _digest(repo_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def check_path(path: str, *, windows: bool = os.name == "nt") -> None:
    """Refuse a file name of a hub that must not, or cannot, become a file.

    Device names, trailing dots and spaces, and characters that only Windows forbids are refused on Windows
    alone: elsewhere they are names like any other.

    Raises:
        IntegrityError: With the path and the reason.
    """
    problem = next(_problems(path), None) or (next(_windows_problems(path), None) if windows else None)
    if problem:
        raise _unsafe(path, problem)


def room_in(directory: str, *, longest: int = PATH_BYTES) -> int:
    """Return how many bytes a path may have in a model's directory, and in the trees that take its place.

    Args:
        directory: The absolute path of the model's own.
        longest: Bytes that the system takes in a whole path, the final NUL among them.
    """
    parent, _slash, name = directory.rpartition("/")
    own = max(len(os.fsencode(name)) + 1 + _NEXT_ROOM, _ASIDE_BYTES)
    return min(_PATH_BYTES, longest - 1 - len(os.fsencode(parent)) - 1 - own)


def _unsafe(path: str, problem: str) -> IntegrityError:
    shown = path if path.isprintable() and path else ascii(path)
    message = _("the repository has a file name that is not safe to store, {path}: {problem}")
    return IntegrityError(message.format(path=shown, problem=problem), side="source", path=shown)


def _problems(path: str) -> Iterator[str]:
    if path == _EVERYWHERE or (len(path) < _PLAIN_LENGTH and _PLAIN.fullmatch(path)):
        return  # nearly every name there is; the checks below cost ten times as much
    parts = path.split("/")
    categories = {unicodedata.category(character) for character in path}
    if "Cs" in categories:
        yield _("it is not valid Unicode")
    if "Cc" in categories:
        yield _("it has a control character")
    if path.startswith("/") or _DRIVE.match(path):
        yield _("it is an absolute path")
    if "\\" in path:
        yield _("it has a backslash")
    if not all(parts):
        yield _("a part of it is empty")
    if ".." in parts or "." in parts:
        yield _("it points out of its directory")
    if fold(parts[0]) in _RESERVED_TOPS:
        yield _("{name} is reserved").format(name=parts[0])
    yield from _extents(parts)


def _extents(parts: Sequence[str]) -> Iterator[str]:
    lengths = [len(part.encode(errors="surrogatepass")) for part in parts]
    if max(lengths) > NAME_BYTES or sum(lengths) + len(parts) > _PATH_BYTES:
        yield _("it is too long")
    if len(parts) > MOST_PARTS:
        yield _("it is in more than {count} folders").format(count=MOST_PARTS - 1)


def _windows_problems(path: str) -> Iterator[str]:
    for part in path.split("/"):
        if ends_oddly(part):
            yield _("Windows drops a dot or space at the end")
        if has_windows_characters(part):
            yield _("Windows does not allow such characters")
        if is_device(part):
            yield _("Windows has a device of that name")


def check_paths(
    paths: Iterable[str],
    *,
    windows: bool = os.name == "nt",
    place: Place = NOWHERE,
) -> None:
    """Refuse a listing unless all its names can be files side by side.

    Args:
        paths: Every path of a listing, in any order.
        windows: Whether the rules of Windows hold.
        place: Where they are to be written.

    Raises:
        IntegrityError: With the path and the reason.
    """
    listed = list(paths)
    for path in listed:
        check_path(path, windows=windows)
        if len(path.encode(errors="surrogatepass")) > place.room:
            raise _unsafe(path, _("it is too long"))
    _check_composition(listed)
    _check_places(listed, lambda text: text)
    try:
        _check_places(listed, fold)
    except IntegrityError:
        if windows or not place.tells_case_apart():
            raise


def _check_composition(listed: list[str]) -> None:
    seen: dict[str, str] = {}
    for path in listed:
        twin = seen.setdefault(unicodedata.normalize("NFC", path), path)
        if twin != path:
            raise _collision(path, twin, _("they differ only in how Unicode composes a character"))


def _check_places(listed: list[str], fold: Callable[[str], str]) -> None:
    """Refuse two files of one name, and a file where another's directory has to be."""
    files: dict[str, str] = {}
    for path in listed:
        name = fold(path)
        if name in files:
            reason = _("the listing names it twice") if files[name] == path else _("they differ only in case")
            raise _collision(path, files[name], reason)
        files[name] = path
    for path in listed:
        name = fold(path)
        while "/" in name:
            name = name.rpartition("/")[0]
            if name in files:
                raise _collision(path, files[name], _("one is a file where the other needs a directory"))


def _collision(path: str, other: str, reason: str) -> IntegrityError:
    message = _("{path} and {other} cannot be stored side by side: {reason}")
    return IntegrityError(
        message.format(path=path, other=other, reason=reason),
        side="source",
        path=path,
        hint=_("leave one out with --exclude"),
    )
