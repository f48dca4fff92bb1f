"""Who reads a page: in which language, by which light."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry import i18n

if TYPE_CHECKING:
    from aiohttp import web

LANGUAGES = ("en", "zh")
THEMES = ("auto", "light", "dark")
LANGUAGE_COOKIE, THEME_COOKIE = "hubferry_language", "hubferry_theme"
_SESSION = "hubferry_session"
_PORT = re.compile(r":([0-9]{1,5})$")
_QUALITY = re.compile(r";\s*q=([01](?:\.\d{0,3})?)\s*$")
_MOST_WISHES = 20


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page.

    Attributes:
        language: `en` or `zh`.
        theme: `auto` (as the system), `light` or `dark`.
    """

    language: str
    theme: str


def reader_of(request: web.Request) -> Reader:
    """Return who reads: by `?lang=`, else the cookie of the switch, else what the browser wishes."""
    theme = request.cookies.get(THEME_COOKIE, "")
    for said in (request.query.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, "")):
        if said in LANGUAGES:
            break
    else:
        said = _wished(request.headers.get("Accept-Language", "")) or i18n.language()
    return Reader(said, theme if theme in THEMES else THEMES[0])


def session_cookie(request: web.Request) -> str:
    """Return the name of the cookie that says who asks here.

    A browser shows the cookies of a host to each of its ports. So the port by which the reader came is in the
    name, and programs side by side, or at the ends of two tunnels, leave each other's alone.
    """
    port = _PORT.search(request.host)
    return _SESSION if port is None else f"{_SESSION}_{port[1]}"


def _wished(header: str) -> str | None:
    """Return the language that an `Accept-Language` wants most, None if it wants none that there is."""
    best, most = None, 0.0
    for wish in header.split(",")[:_MOST_WISHES]:
        quality = _QUALITY.search(wish)
        weight = float(quality[1]) if quality else 1.0
        name = wish.partition(";")[0].strip().lower().partition("-")[0]
        if name in LANGUAGES and weight > most:
            best, most = name, weight
    return best
