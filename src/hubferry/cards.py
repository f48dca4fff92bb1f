"""A model card: what its front matter says, and how the name of its licence is mended. No I/O."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from hubferry import licenses

NAME = "README.md"
LARGEST = 1 << 20
"""Bytes up to which a card is looked into."""
_FRONT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE
)
_LICENSE_LINE = re.compile(rb"^license:[ \t]*(?P<value>[^\r\n]*)", re.MULTILINE)


def license_of(card: bytes) -> str | None:
    """Return the licence that a card names, of `other` the name that stands beside it; None for none."""
    facts = _facts(card)
    named, own = _named(facts), facts.get("license_name")
    if named == licenses.OTHER and isinstance(own, str) and own.strip():
        return own.strip()
    return named


def pipeline_of(card: bytes) -> str | None:
    """Return the task that a card names, as either hub's cards do; the first of several, None for none."""
    facts = _facts(card)
    for key in ("pipeline_tag", "tasks", "task_categories"):
        named = facts.get(key)
        first = next(iter(named), None) if isinstance(named, list) else named
        if isinstance(first, str) and first.strip():
            return first.strip()
    return None


def tags_of(card: bytes) -> tuple[str, ...]:
    """Return the tags that a card names."""
    named = _facts(card).get("tags")
    return tuple(one for one in named if isinstance(one, str)) if isinstance(named, list) else ()


def _named(facts: dict[str, Any]) -> str | None:
    """Return the licence's identifier as it stands, the first of several."""
    named = facts.get("license")
    if isinstance(named, list):
        named = next((one for one in named if isinstance(one, str)), None)
    if not isinstance(named, str) or not named.strip():
        return None
    return named.strip()


def with_known_license(card: bytes) -> bytes | None:
    """Return the card with the licence named as Hugging Face names it; None where there is nothing to mend.

    A licence without an identifier becomes `other`, and keeps its name as `license_name`. Everything else
    stays byte for byte.
    """
    front, facts = _FRONT.match(card), _facts(card)
    named = _named(facts)
    if front is None or named is None or named in licenses.IDENTIFIERS:
        return None
    line = _LICENSE_LINE.search(front["yaml"])
    if line is None or line["value"].lstrip().startswith((b"[", b"-")) or not line["value"].strip():
        return None
    known = licenses.identifier(named)
    mended = b"license: " + (known or licenses.OTHER).encode()
    if known is None and not isinstance(facts.get("license_name"), str):
        mended += b"\nlicense_name: " + re.sub(r"[^a-z0-9.+]+", "-", named.lower()).strip("-").encode()
    start = front.start("yaml")
    return card[: start + line.start()] + mended + card[start + line.end() :]


@lru_cache(maxsize=4)
def _facts(card: bytes) -> dict[str, Any]:
    """Return the front matter; nothing where there is none, or none that can be read.

    Several questions about one card come one after another, and YAML is slow: it is read once for them.
    """
    from hubferry import front_matter  # here: YAML is slow to import as well, and most runs need none

    front = _FRONT.match(card[:LARGEST])
    return {} if front is None else front_matter.facts(front["yaml"])
