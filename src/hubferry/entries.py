"""What a name says about an entry of a folder. Pure rules; `hubs.directory_survey` is who looks."""

from __future__ import annotations

ALLOWABLE = frozenset({"pointers", "empty", "unfinished", "secrets"})
"""Words of `--allow`: what is otherwise refused or left out, and may be copied as it is when it is meant."""
