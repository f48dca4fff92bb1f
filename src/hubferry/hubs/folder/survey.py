"""Look through a folder: each entry is a file to copy, or a finding that says why it is none.

Nothing is opened here but folders and ignore files; what files hold is `directory_source`'s to read. A folder
that changes meanwhile is an error of the entry concerned, not of the whole.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import entries, findings
from hubferry.errors import DiskError, HubferryError, IntegrityError
from hubferry.hubs.folder.ignores import Ignores
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from hubferry.findings import Finding

_MOST_BEHIND_LINKS = 100_000
"""Entries reached through links to folders at most: few such links can make millions of ways."""
_CACHE_TAG = "CACHEDIR.TAG"
"""In a folder that can be made again: bford.info/cachedir. Our own cache, somewhere in the folder, is one."""
GONE = (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that may be copied: its path below the folder, where it is, and what it looks like there."""

    path: str
    place: Path
    status: os.stat_result


@dataclass(slots=True)
class Surveyed:
    """What is in a folder."""

    entries: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way.

    Attributes:
        path: Below the surveyed one.
        real: Where it is, its links resolved.
        ignores: The patterns that hold there.
        jumps: The folders, as they really are, in which links led here.
    """

    path: str
    real: Path
    ignores: Ignores
    jumps: tuple[Path, ...] = ()

    def inner(self, name: str) -> _Folder:
        """Return the folder of that name in it."""
        return replace(self, path=self.below(name), real=self.real / name)

    def below(self, name: str) -> str:
        """Return the path of an entry."""
        return f"{self.path}/{name}" if self.path else name


def survey(root: Path, allow: frozenset[str]) -> Surveyed:
    """Look through the folder `root`; `allow` has words of `entries.ALLOWABLE`.

    Raises:
        DiskError: The folder itself, or an ignore file in it, cannot be read.
        UsageError: A pattern in an ignore file means nothing.
    """
    return _Survey(root, allow).run()


class _Survey:
    def __init__(self, root: Path, allow: frozenset[str]) -> None:
        self._root = Path(os.path.realpath(root))
        self._allow = allow
        self._found = Surveyed()
        self._behind_links = 0

    def run(self) -> Surveyed:
        waiting = [_Folder("", self._root, Ignores())]
        while waiting:
            waiting += self._look_into(waiting.pop())
        self._found.entries.sort(key=lambda entry: entry.path)
        self._found.findings.sort(key=lambda finding: finding.path or "")
        return self._found

    def _look_into(self, folder: _Folder) -> list[_Folder]:
        try:
            with os.scandir(folder.real) as scanned:
                inside = {entry.name: entry for entry in sorted(scanned, key=lambda one: one.name)}
        except OSError as error:
            refusal = unreadable(f"{folder.path}/" if folder.path else str(folder.real), error)
            if not folder.path:
                raise refusal from error
            self._refuse("unreadable", refusal)
            return []
        if _CACHE_TAG in inside and folder.path:
            message = _("{path} is a cache, as its {file} says")
            self._leave_out("tool-notes", f"{folder.path}/", message, file=_CACHE_TAG)
            return []
        if not inside and folder.path:
            message = _("{path} is an empty folder, which no repository can hold")
            self._leave_out(findings.EMPTY_FOLDER, f"{folder.path}/", message)
        if entries.IGNORE_FILE in inside:
            folder = replace(folder, ignores=folder.ignores.below(folder.path, folder.real))
        self._behind_links += len(inside) if folder.jumps else 0
        deeper = (self._look_at(folder, entry, inside.keys()) for entry in inside.values())
        return [one for one in deeper if one is not None]

    def _look_at(self, folder: _Folder, entry: os.DirEntry[str], names: AbstractSet[str]) -> _Folder | None:
        """Settle what an entry is; return it when it is a folder to look into."""
        path, place = folder.below(entry.name), folder.real / entry.name
        real = Path(os.path.realpath(place)) if entry.is_symlink() else None
        try:
            status = place.stat()
        except OSError as error:
            if not self._hides(folder, path, real, is_folder=False):
                self._unreachable(path, place, error, link=real is not None)
            return None
        is_folder = stat.S_ISDIR(status.st_mode)
        if self._hides(folder, path, real, is_folder=is_folder):
            return None
        if problem := entries.name_problem(path):
            self._unholdable(f"{path}/" if is_folder else path, problem)
        elif is_folder:
            return folder.inner(entry.name) if real is None else self._follow(folder, path, place, real)
        elif not stat.S_ISREG(status.st_mode):
            message = _("{path} is a pipe, a socket or a device")
            self._leave_out("special-entry", path, message)
        else:
            self._file(Entry(path, place, status), entry.name, names)
        return None

    def _hides(self, folder: _Folder, path: str, real: Path | None, *, is_folder: bool) -> bool:
        """Leave out what is a tool's, ignored or secret, by its own name or by that of what it links to."""
        shown = f"{path}/" if is_folder else path
        secret = entries.is_secret(path) or (real is not None and entries.is_secret(real.as_posix()))
        if entries.is_note(path, folder=is_folder) or (is_folder and real and self._is_in_notes(real)):
            self._note(shown, folder.real / path.rpartition("/")[2])
        elif folder.ignores.match(shown):
            message = _("{path}, as {file} says")
            self._leave_out("ignored", shown, message, file=entries.IGNORE_FILE)
        elif secret and "secrets" not in self._allow:
            message = _("{path} holds secrets, going by its name")
            self._leave_out("secret", shown, message)
        else:
            return False
        return True

    def _is_in_notes(self, real: Path) -> bool:
        """Return whether a folder is inside one that a tool keeps for itself in the surveyed one."""
        if not real.is_relative_to(self._root):
            return False
        inside = real.relative_to(self._root)
        return any(entries.is_note(one.as_posix(), folder=True) for one in (inside, *inside.parents))

    def _note(self, shown: str, place: Path) -> None:
        remains = _remains(shown, place) if entries.holds_downloads(shown.rstrip("/")) else None
        if remains is not None and "unfinished" not in self._allow:
            message = _("{path} has a download that did not end: {remains}")
            self._unfinished(shown, message.format(path=shown, remains=entries.printable(remains)))
        else:
            message = _("{path} is what a tool keeps for itself")
            self._leave_out("tool-notes", shown, message)

    def _unreachable(self, path: str, place: Path, error: OSError, *, link: bool) -> None:
        words = {"path": entries.printable(path), "target": _target(place) if link else ""}
        hint = _("leave it out with --exclude {pattern}, or download it again").format(
            pattern=entries.pattern(path)
        )
        if link and error.errno == errno.ELOOP:
            message = _("{path} is a link that leads back to itself ({target})")
            self._refuse("link-cycle", _wrong(message.format(**words), path, hint))
        elif link and error.errno in GONE:
            message = _("{path} is a link to {target}, which is not there")
            self._refuse("broken-link", _wrong(message.format(**words), path, hint))
        elif error.errno in GONE:
            self._refuse("changed", changed(path))
        else:
            self._refuse("unreadable", unreadable(path, error))

    def _unholdable(self, shown: str, problem: str) -> None:
        message = _("no hub can hold a file of the name {path}: {problem}")
        words = {"path": entries.printable(shown), "problem": problem}
        hint = _("give it another name, or leave it out with --exclude {pattern}").format(
            pattern=entries.pattern(shown)
        )
        self._refuse("name", _wrong(message.format(**words), shown, hint))

    def _follow(self, folder: _Folder, path: str, place: Path, real: Path) -> _Folder | None:
        """Go where a link to a folder leads, if that is inside and not where one comes from."""
        shown = f"{path}/"
        words = {"path": entries.printable(shown), "target": _target(place)}
        hint = _("leave it out with --exclude {pattern}").format(pattern=entries.pattern(shown))
        if not real.is_relative_to(self._root):
            message = _("{path} is a link to a folder outside, {target}")
            self._leave_out("outside-link", shown, message, target=words["target"])
        elif any(jump.is_relative_to(real) for jump in (folder.real, *folder.jumps)):
            message = _("{path} is a link to a folder that it is in itself, {target}")
            self._refuse("link-cycle", _wrong(message.format(**words), shown, hint))
        elif self._behind_links > _MOST_BEHIND_LINKS:
            message = _(
                "{path} is a link to a folder, {target}, and more than {count} entries are behind links"
            )
            text = message.format(count=_MOST_BEHIND_LINKS, **words)
            self._refuse("link-cycle", _wrong(text, shown, hint))
        else:
            return replace(folder, path=path, real=real, jumps=(*folder.jumps, folder.real))
        return None

    def _file(self, entry: Entry, name: str, names: AbstractSet[str]) -> None:
        """Take a file, unless its name or its emptiness says that it is not whole."""
        beside = name.removesuffix(entries.ARIA2)
        if name != beside and (beside in names or "unfinished" in self._allow):
            message = _("{path} is what a tool keeps for itself")
            self._leave_out("tool-notes", entry.path, message)
        elif "unfinished" not in self._allow and (
            name != beside or name + entries.ARIA2 in names or entries.is_unfinished(name)
        ):
            message = _("{path} is a download that did not end")
            self._unfinished(entry.path, message.format(path=entry.path))
        elif entry.status.st_size == 0 and entries.is_weight(name) and "empty" not in self._allow:
            self._refuse("empty-weights", empty(entry.path))
        else:
            self._found.entries.append(entry)

    def _unfinished(self, path: str, message: str) -> None:
        hint = _("let it finish, leave it out with --exclude {pattern}, or say --allow unfinished")
        self._refuse("unfinished", _wrong(message, path, hint.format(pattern=entries.pattern(path))))

    def _leave_out(self, code: str, path: str, message: str, **words: str) -> None:
        text = message.format(path=entries.printable(path), **words)
        self._found.findings.append(findings.left_out(code, text, path))

    def _refuse(self, code: str, error: HubferryError) -> None:
        self._found.findings.append(findings.refused(code, error))


def _remains(shown: str, place: Path) -> str | None:
    """Return a file that a download left behind in a tool's own folder."""
    for parent, _folders, names in os.walk(place):
        for name in names:
            path = shown + (Path(parent) / name).relative_to(place).as_posix()
            if entries.remains_of_a_download(path):
                return path
    return None


def _target(place: Path) -> str:
    try:
        return entries.printable(os.readlink(place))  # noqa: PTH115 - as the link spells it
    except OSError:
        return "?"


def unreadable(path: str, error: OSError) -> DiskError:
    """Say that a file or folder cannot be read, and why."""
    return DiskError(
        _("{path} cannot be read: {reason}").format(path=entries.printable(path), reason=error.strerror),
        side="source",
        path=path,
        hint=_("make it readable, or leave it out with --exclude {pattern}").format(
            pattern=entries.pattern(path)
        ),
    )


def changed(path: str) -> IntegrityError:
    """Say that a file is not what it was a moment ago."""
    message = _("{path} changes while the folder is read").format(path=entries.printable(path))
    return _wrong(message, path, _("run it again when nothing writes there"))


def empty(path: str) -> IntegrityError:
    """Say that weights have no bytes."""
    hint = _("download it again, leave it out with --exclude {pattern}, or say --allow empty")
    message = _("{path} has no bytes in it").format(path=path)
    return _wrong(message, path, hint.format(pattern=entries.pattern(path)))


def pointer(path: str) -> IntegrityError:
    """Say that a file stands for another one that was never fetched."""
    message = _("{path} is a Git LFS pointer, not the file itself; run git lfs pull").format(path=path)
    hint = _("git lfs pull   # or, to copy it as it is: --allow pointers")
    return _wrong(message, path, hint)


def _wrong(message: str, path: str, hint: str) -> IntegrityError:
    return IntegrityError(message, side="source", path=path, hint=hint)
