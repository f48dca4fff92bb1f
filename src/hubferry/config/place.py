"""Where the configuration file is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hubferry import places

VARIABLE: Final = "HUBFERRY_CONFIG"
_NONE = frozenset({"", "none"})
_NAME = "config.toml"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file is, or would be.

    Attributes:
        path: None where there is to be none.
        origin: What says so: the variable, or the system's place for such files.
    """

    path: Path | None
    origin: Literal["HUBFERRY_CONFIG", "default"]

    @property
    def is_named(self) -> bool:
        """Whether somebody named this very file; then it has to be there."""
        return self.path is not None and self.origin == VARIABLE


def place() -> Place:
    """Return where the file is: HUBFERRY_CONFIG (empty or `none`: nowhere), else the system's own place.

    Raises:
        UsageError: HUBFERRY_CONFIG begins with a home that is not known.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        known = None if named.strip().lower() in _NONE else places.from_environment(VARIABLE)
        return Place(known, VARIABLE)
    return Place(_usual(), "default")


def _usual() -> Path | None:
    """Return `~/.config/hubferry/config.toml`, or its like on this system; None without a home."""
    import platformdirs

    try:
        path = Path(platformdirs.user_config_dir("hubferry", appauthor=False)) / _NAME
    except RuntimeError:  # no home
        return None
    return path if path.is_absolute() else None
