"""Copy models between hubs through a persistent, verified cache.

The public names: `copy`, `fetch` and `check`, what they take (`Options`, `Access`) and return, and
`check_model_exists`. `hubferry.errors` has everything that can go wrong, `hubferry.events` all that is told.
They are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hubferry.api import check, copy, fetch
    from hubferry.cache.check import check_model, check_model_exists
    from hubferry.errors import HubferryError
    from hubferry.model import Comparison, Fetched, Plan, Report
    from hubferry.options import Access, Options

_HOMES = {
    "check": "hubferry.api",
    "copy": "hubferry.api",
    "fetch": "hubferry.api",
    "check_model": "hubferry.cache.check",
    "check_model_exists": "hubferry.cache.check",
    "HubferryError": "hubferry.errors",
    "Comparison": "hubferry.model",
    "Fetched": "hubferry.model",
    "Plan": "hubferry.model",
    "Report": "hubferry.model",
    "Access": "hubferry.options",
    "Options": "hubferry.options",
}

__all__ = [
    "Access",
    "Comparison",
    "Fetched",
    "HubferryError",
    "Options",
    "Plan",
    "Report",
    "check",
    "check_model",
    "check_model_exists",
    "copy",
    "fetch",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home."""
    from importlib import import_module

    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)
