"""The licence that a folder's own model card names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CARD = "README.md"
_MOST_BYTES = 1 << 16
_FRONT_MATTER = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_OTHER = "other"


def license_of(card: Path) -> str | None:
    """Return the licence in a card's front matter, None where none is named; a broken card names none.

    Wire fact: hub-docs modelcard.md; `license` is a name or a list of them, and where it is `other`,
    `license_name` says which.
    """
    import yaml

    try:
        with card.open("rb") as stream:
            text = stream.read(_MOST_BYTES).decode("utf-8", "replace")
        found = _FRONT_MATTER.match(text)
        if found is None:
            return None
        facts = yaml.safe_load(found[1])
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    return _named(facts) if isinstance(facts, dict) else None


def _named(facts: dict[object, object]) -> str | None:
    license_ = facts.get("license")
    names = [one for one in license_ if isinstance(one, str)] if isinstance(license_, list) else [license_]
    first = next(iter(names), None)
    own = facts.get("license_name")
    if first == _OTHER and isinstance(own, str) and own.strip():
        return own.strip()
    return first.strip() or None if isinstance(first, str) else None
