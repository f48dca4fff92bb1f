"""The configuration file: hubs by name, and what the command line does unless it is told otherwise.

`current()` is what the file says now; `tokens` gets a hub's token from where the file says it is.
"""

from __future__ import annotations

from hubferry.config.place import VARIABLE, Place, place
from hubferry.config.reading import current, mistakes
from hubferry.config.settings import Configuration, Default, HubSettings, TokenSource, normal_endpoint

__all__ = [
    "VARIABLE",
    "Configuration",
    "Default",
    "HubSettings",
    "Place",
    "TokenSource",
    "current",
    "mistakes",
    "normal_endpoint",
    "place",
]
