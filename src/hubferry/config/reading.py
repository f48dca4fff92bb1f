"""Read the configuration file: whose it is, what TOML it holds, and whether all of it is meant.

A file that others can write may make us run their commands and send a token to their server; it is refused.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from typing import TYPE_CHECKING, Any

from hubferry.config import tables
from hubferry.config.lines import positions
from hubferry.config.place import place
from hubferry.config.settings import Configuration
from hubferry.errors import UsageError
from hubferry.findings import together
from hubferry.i18n import _, language

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.config.place import Place

_LARGEST = 1 << 20
_MOST_SHOWN = 20
"""Mistakes that one reading names."""
_LANGUAGES = 2
"""In which mistakes are said. Pages have readers of both, for whom the file is not read anew each time."""
_Key = tuple[str, str, int, int, int, int]
_known: dict[_Key, tuple[Configuration, list[UsageError]]] = {}


def current() -> Configuration:
    """Return what the configuration file says now; an empty configuration where there is none.

    Raises:
        UsageError: The file must not be believed, or says something that cannot be meant; every mistake of
            it is there, see `HubferryError.others`.
    """
    configuration, wrong = _read(place())
    if wrong:
        raise together(wrong)
    return configuration


def mistakes() -> list[UsageError]:
    """Return everything that is wrong with the file, in its order."""
    return _read(place())[1]


def _read(where: Place) -> tuple[Configuration, list[UsageError]]:
    """Read the file, or answer from memory as long as it looks the same."""
    path = where.path
    if path is None:
        return Configuration(), []
    try:
        status = path.stat()
    except FileNotFoundError:
        return (Configuration(), [_absent(path)]) if where.is_named else (Configuration(), [])
    except OSError as error:
        return Configuration(), [] if where.origin == "default" else [_unreadable(path, error)]
    looks = (str(path), language(), status.st_mtime_ns, status.st_size, status.st_mode, status.st_uid)
    known = _known.get(looks)  # asked once: a thread that speaks another language may forget it meanwhile
    if known is None:
        known = _fresh(path, status)
        if len(_known) >= _LANGUAGES:
            _known.clear()
        _known[looks] = known
    return known


def _fresh(path: Path, status: os.stat_result) -> tuple[Configuration, list[UsageError]]:
    if wrong := _not_to_be_believed(path, status):
        return Configuration(), [wrong]
    try:
        text = path.read_bytes().decode()
        document = _parsed(text)
    except OSError as error:
        return Configuration(), [_unreadable(path, error)]
    except (ValueError, RecursionError) as error:  # no TOML, or not UTF-8
        message = _("{path} is no TOML file: {reason}").format(path=path, reason=error)
        return Configuration(), [UsageError(message, path=str(path))]
    reader = tables.Reader(path, positions(text))
    configuration = reader.configuration(document)
    wrong_words = reader.mistakes[:_MOST_SHOWN]
    clear = any(hub.token is not None and hub.token.kind == "clear" for hub in configuration.hubs.values())
    if clear and os.name == "posix" and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        wrong_words.append(_readable_by_others(path))
    return configuration, wrong_words


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _not_to_be_believed(path: Path, status: os.stat_result) -> UsageError | None:
    """Return why a file cannot be relied upon, whatever it says."""
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
        return UsageError(_("{path} is no configuration file").format(path=path), path=str(path))
    if os.name != "posix":
        return None
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = _("{path} can be written by others, and is not relied upon").format(path=path)
        return UsageError(message, path=str(path), hint=f"chmod go-w {shlex.quote(str(path))}")
    if status.st_uid not in (0, os.geteuid()):
        message = _("{path} belongs to another account, and is not relied upon").format(path=path)
        hint = _("HUBFERRY_CONFIG names another file, or none")
        return UsageError(message, path=str(path), hint=hint)
    return None


def _readable_by_others(path: Path) -> UsageError:
    message = _("{path} has a token in clear, and can be read by others").format(path=path)
    return UsageError(message, path=str(path), hint=f"chmod 600 {shlex.quote(str(path))}")


def _absent(path: Path) -> UsageError:
    message = _("HUBFERRY_CONFIG names {path}, and there is no such file").format(path=path)
    return UsageError(message, path=str(path), hint=_("HUBFERRY_CONFIG=none for no file"))


def _unreadable(path: Path, error: OSError) -> UsageError:
    reason = error.strerror or type(error).__name__
    message = _("{path} cannot be read: {reason}").format(path=path, reason=reason)
    return UsageError(message, path=str(path), hint=_("HUBFERRY_CONFIG=none for no file"))
