"""Read YAML that anybody may have written: the front matter of a card. No I/O."""

from __future__ import annotations

from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


class Loader(yaml.SafeLoader):
    """Read plain values; a merge (`<<`) adds nothing: thirty lines of them stand for a billion keys."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave the merges out of a mapping."""
        node.value = [(key, value) for key, value in node.value if key.tag != _MERGE]


def facts(text: bytes | str) -> dict[str, Any]:
    """Return what a text says of its keys; nothing where it has none, or cannot be read."""
    try:
        said = Loader(text).get_single_data()
    except Exception:  # noqa: BLE001 - of an odd value PyYAML lets through whatever Python raises
        return {}
    return said if isinstance(said, dict) else {}
