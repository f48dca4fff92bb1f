"""Ages as people type them: `30d`, `12h`, `2w`."""

from __future__ import annotations

import re
from typing import Any

import click

from hubferry.i18n import _

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class AgeType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read an age as seconds."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail with a sentence."""
        match = _AGE.fullmatch(str(value).strip())
        if match is None:
            self.fail(_("{value!r} is not an age such as 30d or 12h").format(value=value), param, ctx)
        return float(match[1]) * _SECONDS[match[2].lower()]
