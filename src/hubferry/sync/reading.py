"""Read a mirror file strictly: all that is wrong is named, with line, column and the nearest right word.

The types are checked here and not by msgspec: its first error ends a conversion, in English, and quotes; a
person who mends a file wants all of them, where they stand, and no token among the words.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubferry import __version__, config
from hubferry.config.hub_tables import HubTables
from hubferry.config.strict import YAML
from hubferry.errors import UsageError
from hubferry.findings import together
from hubferry.i18n import _
from hubferry.sync import collisions
from hubferry.sync.composing import BrokenError, compose
from hubferry.sync.entry_tables import EntryTables
from hubferry.sync.mistakes import Mistakes, said_of
from hubferry.sync.nodes import Items, Table, found, plain, whole_number
from hubferry.sync.repositories import Places, folder
from hubferry.sync.spec import Position, SyncFile
from hubferry.sync.values import Values

if TYPE_CHECKING:
    from hubferry.config.settings import HubSettings, TokenSource
    from hubferry.sync.nodes import Node
    from hubferry.sync.spec import Entry

TOP_KEYS = ("version", "hubs", "defaults", "jobs", "split", "receipts", "sync")
OWN = "x-"
"""How keys begin that are the file's own, for anchors."""
VERSION = 1
MOST_JOBS = 256
_JOBS = 4
_LARGEST = 1 << 20
_TRUSTED = frozenset({"endpoint", "token", "insecure"})
"""What sends tokens to a place, or runs a command for one."""


def read(path: Path) -> SyncFile:
    """Return what a mirror file says.

    Its hubs hold where they are laid over: `with hubferry.config.laid_over(file.hubs)`.

    Args:
        path: Of the file; folders in it are relative to the directory that it is in.

    Raises:
        UsageError: Everything that is wrong with it, see `HubferryError.others`; or with config.toml.
    """
    config.current()  # a mistake there is none of this file, and would be named with each name in it
    text, status = _content(path)
    mistakes = Mistakes(path)
    try:
        root = compose(text, mistakes)
        file = _Reader(path, mistakes).file(root)
    except BrokenError as error:
        mistakes.add(error.position, error.message, error.hint)
        raise together(mistakes.errors()) from None
    wrong = mistakes.errors()
    if any(hub.said & _TRUSTED for hub in file.hubs.values()):
        wrong += _not_to_be_believed(path, status)
    if wrong:
        raise together(wrong)
    return file


class _Reader:
    def __init__(self, path: Path, mistakes: Mistakes) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - the folder of a link is that of the link
        self._mistakes = mistakes
        self._values = Values(mistakes)

    def file(self, root: Node | None) -> SyncFile:
        """Return the file, as far as it is right."""
        if root is None:
            raise BrokenError(Position(1, 1), _("the file says nothing"), "hubferry sync init -")
        if not isinstance(root, Table):
            raise BrokenError(
                root.position, _("a mirror file is a table: version, sync"), "hubferry sync init -"
            )
        self._version(root)
        own = {key: pair for key, pair in root.pairs.items() if not key.startswith(OWN)}
        self._values.only(replace(root, pairs=own), TOP_KEYS, None)
        hubs, broken = self._hubs(root)
        with config.laid_over(hubs):
            entries = self._entries(root, broken)
        values, get = self._values, root.get
        jobs = values.number(node, "jobs", 1, MOST_JOBS) if (node := get("jobs")) else None
        split = values.size(node, "split") if (node := get("split")) else None
        return SyncFile(self._path, entries, hubs, jobs or _JOBS, split, self._receipts(root))

    def _version(self, root: Table) -> None:
        """Refuse another version at once: what the rest means, that one says.

        Raises:
            BrokenError: It is another one, or none.
        """
        node = root.get("version")
        if node is None:
            raise BrokenError(root.position, _("the file does not say its version"), f"version: {VERSION}")
        number = whole_number(node)
        if number == VERSION:
            return
        message = _("version is {version}, a number without quotes").format(version=VERSION)
        if number is not None and number > VERSION:
            message = _(
                "version {number} is read by a later hubferry; this one ({own}) reads version {version}"
            ).format(number=number, own=__version__, version=VERSION)
        raise BrokenError(node.position, message, f"version: {VERSION}")

    def _hubs(self, root: Table) -> tuple[dict[str, HubSettings], set[str]]:
        """Return the hubs of the file, and the names of those that are not understood."""
        node = root.get("hubs")
        if node is None:
            return {}, set()
        if not isinstance(node, Table):
            self._mistakes.add(node.position, _("{key} is a table").format(key="hubs"))
            return {}, set()

        def note(at: tuple[str, ...], message: str, hint: str | None = None, *, key: bool = False) -> None:
            self._mistakes.add(found(root, at, key=key), message, hint)

        tables = HubTables(note, YAML, shared=True)
        known = config.current().hubs
        hubs: dict[str, HubSettings] = {}
        for name, table in plain(node).items():
            hub = tables.hub(name, table, known.get(name))
            if hub is not None:
                token = None if hub.token is None else self._placed(hub.token, node.pairs[name].position)
                line = node.pairs[name].position.line
                hubs[name] = replace(hub, token=token, line=line)
        return hubs, {key.lower() for key in node.pairs} - set(hubs)

    def _placed(self, token: TokenSource, position: Position) -> TokenSource:
        """Give a token's file the place that the mirror file gives it."""
        if token.kind != "file":
            return token
        try:
            return replace(token, words=(str(folder(token.words[0], self._path.parent)),))
        except UsageError as error:
            self._mistakes.add(position, said_of("file", error.message), error.hint)
            return token

    def _entries(self, root: Table, broken: set[str]) -> tuple[Entry, ...]:
        tables = EntryTables(self._values, Places(self._path.parent, broken))
        defaults = tables.defaults(root.get("defaults"))
        node = root.get("sync")
        if not isinstance(node, Items) or not node.items:
            position = root.position if node is None else node.position
            message = _("sync is a list of what mirrors what: - {source: …, target: …}")
            self._mistakes.add(position, message, "hubferry sync init -")
            return ()
        found_entries = [(item, tables.entry(item, defaults)) for item in node.items]
        read_entries = [(item, *one) for item, one in found_entries if one is not None]
        collisions.note(read_entries, self._mistakes)
        return tuple(entry for _item, entry, _source, _target in read_entries)

    def _receipts(self, root: Table) -> Path | None:
        node = root.get("receipts")
        text = None if node is None else self._values.line(node, "receipts")
        if node is None or text is None:
            return None
        try:
            return folder(text, self._path.parent)
        except UsageError as error:
            self._mistakes.add(node.position, said_of("receipts", error.message), error.hint)
            return None


def _content(path: Path) -> tuple[str, os.stat_result]:
    """Return a file's text without its byte order mark, and whose it is.

    Raises:
        UsageError: There is none, or none that can be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _unreadable(path, _("it is no file"))
        with path.open("rb") as opened:
            status, content = os.fstat(opened.fileno()), opened.read(_LARGEST + 1)
    except FileNotFoundError:
        message = _("there is no {path}").format(path=path)
        raise UsageError(
            message, path=str(path), hint=f"hubferry sync init {shlex.quote(str(path))}"
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or type(error).__name__) from error
    if len(content) > _LARGEST:
        raise _unreadable(path, _("it is larger than {size}").format(size="1 MiB"))
    try:
        return content.decode("utf-8-sig"), status
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start)
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1)
        mistakes = Mistakes(path)
        mistakes.add(Position(line + 1, column + 1), _("the file is not in UTF-8"))
        raise together(mistakes.errors()) from None


def _unreadable(path: Path, reason: Any) -> UsageError:
    message = _("{path} cannot be read: {reason}").format(path=path, reason=reason)
    return UsageError(message, path=str(path))


def _not_to_be_believed(path: Path, status: os.stat_result) -> list[UsageError]:
    """Return why a file that says where tokens go, or what command gives one, cannot be relied upon."""
    if os.name != "posix":
        return []
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = _("{path} says where tokens go, can be written by others, and is not relied upon")
        hint = f"chmod go-w {shlex.quote(str(path))}"
        return [UsageError(message.format(path=path), path=str(path), hint=hint)]
    if status.st_uid not in (0, os.geteuid()):
        message = _("{path} says where tokens go, belongs to another account, and is not relied upon")
        hint = _("say it in the configuration file: hubferry config path")
        return [UsageError(message.format(path=path), path=str(path), hint=hint)]
    return []
