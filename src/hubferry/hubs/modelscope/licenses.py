"""What ModelScope calls a licence that Hugging Face's model cards name.

Wire fact: modelscope_hub/constants.py `License`. A name that it does not know is passed on as it is.
"""

from __future__ import annotations

from hubferry.licenses import OTHER, identifier

_NAMES = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "gpl-2.0": "GPL-2.0",
    "gpl-3.0": "GPL-3.0",
    "lgpl-2.1": "LGPL-2.1",
    "lgpl-3.0": "LGPL-3.0",
    "mpl-2.0": "MPL-2.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc0-1.0": "CC0-1.0",
    "unlicense": "Unlicense",
}
_UNNAMED = frozenset({"", "other", "unknown", "none", "n/a"})


def license_name(name: str | None) -> str:
    """Return the licence to create a repository with: never silence, which counts as Apache-2.0 there."""
    plain = (name or "").strip()
    if plain.lower() in _UNNAMED:
        return OTHER
    return _NAMES.get(identifier(plain) or "", plain)
