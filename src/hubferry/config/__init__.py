"""The configuration file: hubs by name, and what the command line does unless it is told otherwise.

`current()` is what the file says now, with what is `laid_over` it for a while; `tokens` gets a hub's token
from where the file says it is.
"""

from __future__ import annotations

from hubferry.config.overlay import current, laid_over
from hubferry.config.place import VARIABLE, Place, place
from hubferry.config.reading import mistakes
from hubferry.config.settings import Configuration, Default, HubSettings, TokenSource, normal_endpoint

__all__ = [
    "VARIABLE",
    "Configuration",
    "Default",
    "HubSettings",
    "Place",
    "TokenSource",
    "current",
    "laid_over",
    "mistakes",
    "normal_endpoint",
    "place",
]
