"""Whether and how Xet is used: what the environment says, and what is installed."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Literal, cast

from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

Mode = Literal["auto", "always", "never"]

SILENCE_SECONDS = 30.0
_YES = frozenset({"1", "ON", "YES", "TRUE"})


def mode(environment: Mapping[str, str] = os.environ) -> Mode:
    """Read HUBFERRY_XET, and HF_HUB_DISABLE_XET, which means never.

    Raises:
        UsageError: It is none of the three words.
    """
    wish = environment.get("HUBFERRY_XET", "").strip().lower() or "auto"
    if wish not in ("auto", "always", "never"):
        raise UsageError(
            _("HUBFERRY_XET is “{value}”, which means nothing here.").format(value=wish),
            hint="HUBFERRY_XET=auto   # always, never",
        )
    disabled = environment.get("HF_HUB_DISABLE_XET", "").strip().upper() in _YES
    return "never" if disabled else cast("Mode", wish)


def silence_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """Return how long Xet may bring nothing: HUBFERRY_XET_TIMEOUT in seconds, else half a minute."""
    try:
        seconds = float(environment.get("HUBFERRY_XET_TIMEOUT", ""))
    except ValueError:
        return SILENCE_SECONDS
    return seconds if seconds > 0 else SILENCE_SECONDS


def is_installed() -> bool:
    """Return whether the client for Xet is there."""
    return importlib.util.find_spec("hf_xet") is not None
