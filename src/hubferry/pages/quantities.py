"""Numbers, times and names as a page shows them."""

from __future__ import annotations

import re
import time
import unicodedata
from datetime import datetime, timezone

from markupsafe import Markup, escape

from hubferry import units
from hubferry.i18n import _, ngettext

_THOUSAND = 1000
_SHORT = 10
_STEPS = ("", "K", "M", "B", "T")
_MINUTE, _HOUR, _DAY, _MONTH, _YEAR = 60, 3600, 86400, 30 * 86400, 365 * 86400
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_PLAIN = re.compile(r"[!-~ ]*")


def count(number: float) -> str:
    """Return a whole number with its thousands apart: `12,345`."""
    return f"{int(number):,}"


def about(number: float) -> str:
    """Return a large number in short, in steps of 1000: `7.62 B`."""
    value = float(number)
    for step in _STEPS:
        if abs(value) < _THOUSAND - 0.5 or step == _STEPS[-1]:
            break
        value /= _THOUSAND
    if not step:
        return count(value)
    digits = max(0, 2 - len(str(int(abs(value)))) + 1)
    return f"{value:.{digits}f} {step}"


def seconds(number: float) -> str:
    """Return a duration: `2 min 5 s`."""
    whole = round(number)
    if number < _SHORT:
        return _("{seconds} s").format(seconds=f"{number:.1f}")
    if whole < _MINUTE:
        return _("{seconds} s").format(seconds=whole)
    if whole < _HOUR:
        return _("{minutes} min {seconds} s").format(minutes=whole // _MINUTE, seconds=whole % _MINUTE)
    return _("{hours} h {minutes} min").format(hours=whole // _HOUR, minutes=whole % _HOUR // _MINUTE)


def short(commit: str) -> str:
    """Return the first digits of a commit or a digest."""
    return commit[:_SHORT]


def ago(moment: float, now: float | None = None) -> Markup:
    """Return how long ago a moment was, with the moment itself for machines and for who asks."""
    at = datetime.fromtimestamp(units.moment(moment), timezone.utc)
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    passed = (time.time() if now is None else now) - moment
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), exact, _passed(passed)
    )


def _passed(passed: float) -> str:
    if passed < _MINUTE:
        return _("just now") if passed > -_MINUTE else _("in the future")
    if passed < _HOUR:
        n = int(passed // _MINUTE)
        return ngettext("{count} minute ago", "{count} minutes ago", n).format(count=n)
    if passed < _DAY:
        n = int(passed // _HOUR)
        return ngettext("{count} hour ago", "{count} hours ago", n).format(count=n)
    if passed < _MONTH:
        n = int(passed // _DAY)
        return ngettext("{count} day ago", "{count} days ago", n).format(count=n)
    if passed < _YEAR:
        n = int(passed // _MONTH)
        return ngettext("{count} month ago", "{count} months ago", n).format(count=n)
    n = int(passed // _YEAR)
    return ngettext("{count} year ago", "{count} years ago", n).format(count=n)


def name(text: str) -> Markup:
    """Return a name that somebody else chose, so that it turns nothing around and hides nothing."""
    return Markup("<bdi>{}</bdi>").format(visible(text))


def visible_lines(text: str) -> Markup:
    """Return a text of several lines as `visible` does, its lines and tabs as they are."""
    return Markup("\n").join(
        Markup("\t").join(visible(part) for part in line.split("\t"))
        for line in text.replace("\r\n", "\n").split("\n")
    )


def visible(text: str) -> Markup:
    """Return a text, what would not be seen in it written as `U+202E`."""
    if _PLAIN.fullmatch(text):
        return escape(text)
    return Markup("").join(
        Markup('<span class="unseen">U+{:04X}</span>').format(ord(letter))
        if unicodedata.category(letter) in _UNSEEN
        else letter
        for letter in text
    )
