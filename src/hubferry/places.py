"""Names of places as people write them: with `~` and variables, on machines where there may be no home.

Nothing here fails because a directory may not be looked into: what cannot be seen is not there for us.
"""

from __future__ import annotations

import os
from pathlib import Path

from hubferry.errors import UsageError
from hubferry.i18n import _


def home() -> Path | None:
    """Return the home directory; None where neither HOME nor the system's list of accounts names one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def from_home(path: Path) -> str:
    """Return a path as people write it, with `~` for the home directory."""
    here = home()
    if here is None or not path.is_relative_to(here):
        return str(path)
    return str(Path("~") / path.relative_to(here))


def state() -> Path | None:
    """Return the directory of what this account's runs leave to later ones; None where no home is known.

    It is the account's alone, as a cache need not be: XDG_STATE_HOME, else where that is by default.
    """
    named = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA" if os.name == "nt" else "")
    if named and Path(named).is_absolute():
        return Path(named) / "hubferry"
    here = home()
    return None if here is None else here / ".local" / "state" / "hubferry"


def expanded(text: str) -> Path:
    """Return the absolute place that `text` means, with `~` and variables as a shell would read them.

    Links are left as they are, and so is a variable that is not set.

    Raises:
        UsageError: It begins with a home that is not known here.
    """
    place = at_home(os.path.expandvars(text.strip()))
    return Path(os.path.abspath(place))  # noqa: PTH100 - resolve() would follow symlinks


def at_home(path: str | os.PathLike[str]) -> Path:
    """Return a path with its `~` as a shell would read it, and nothing else changed.

    Raises:
        UsageError: It begins with a home that is not known here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        message = _("{path}: there is no such home directory here").format(path=path)
        raise UsageError(message, hint=_("write the whole path, or set HOME")) from error


def expanded_if_known(text: str) -> Path | None:
    """Return what `expanded` returns, None where that needs a home that is not known here."""
    try:
        return expanded(text)
    except UsageError:
        return None


def from_environment(name: str) -> Path | None:
    """Return the place that a variable names, None where it is unset or empty.

    Raises:
        UsageError: As `expanded`; the message names the variable.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    try:
        return expanded(text)
    except UsageError as error:
        error.message = f"{name}={error.message}"
        raise


def several_from_environment(name: str) -> tuple[Path, ...]:
    """Return the places that a variable names, separated as PATH is; what cannot be known is left out."""
    words = os.environ.get(name, "").split(os.pathsep)
    places = (expanded_if_known(word) for word in words if word.strip())
    return tuple(place for place in places if place is not None)


def resolved(path: Path) -> Path:
    """Return where a path leads through links; one that leads in a circle leads nowhere, and is as it is."""
    return Path(os.path.realpath(path))  # Path.resolve() raises for circles before Python 3.13


def is_directory(path: Path) -> bool:
    """Return whether a directory is there, as far as this user may see."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where it may not look


def is_regular_file(path: Path) -> bool:
    """Return whether a name is that of a file itself: no link, no pipe, nothing else."""
    return os.path.isfile(path) and not os.path.islink(path)  # noqa: PTH113, PTH114 - as is_directory


def is_readable(directory: Path) -> bool:
    """Return whether a directory is there and this user may look into it."""
    return is_directory(directory) and os.access(directory, os.R_OK | os.X_OK)


def nearest_directory(path: Path) -> Path:
    """Return `path`, or the nearest directory above it that is there, as far as this user may see."""
    while not is_directory(path) and path != path.parent:
        path = path.parent
    return path


def is_writable(directory: Path) -> bool:
    """Return whether this user may create names in an existing directory; False on a read-only disk."""
    return os.access(directory, os.W_OK | os.X_OK)
