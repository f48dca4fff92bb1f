"""Where a hub's store is unless somebody says."""

from __future__ import annotations

from pathlib import Path

from hubferry import places


def default_store() -> Path:
    """Return the folder of the hub of this person."""
    home = places.from_environment("XDG_DATA_HOME") or places.expanded("~/.local/share")
    return Path(home) / "hubferry" / "hub"
