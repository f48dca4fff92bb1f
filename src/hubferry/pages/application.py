"""What an application that shows pages has besides them: static files, the switch, its own address."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web

from hubferry.pages.forms import ORIGIN, SECRET
from hubferry.pages.headers import COMMON
from hubferry.pages.live import ENDING
from hubferry.pages.reader import LANGUAGE_COOKIE, LANGUAGES, THEME_COOKIE, THEMES
from hubferry.pages.static import send_static

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ORIGIN", "PREFIX", "TITLE", "add_routes", "link", "own_path"]

PREFIX: web.AppKey[str] = web.AppKey("pages prefix", str)
"""The folder at which a proxy shows the pages, empty or with a slash before and none after."""
TITLE: web.AppKey[str] = web.AppKey("pages title", str)
_YEAR = 365 * 86400
_SAFE = "/@:+=,~!$&'()*"


def add_routes(
    application: web.Application,
    *,
    title: str,
    prefix: str = "",
    origin: Callable[[web.Request], str] | None = None,
) -> None:
    """Make an application one that shows pages.

    Args:
        application: Not yet started.
        title: What the pages are called as a whole.
        prefix: The folder at which a proxy shows them.
        origin: Says by which scheme and host the reader reached a request; by its own without.
    """
    application[PREFIX], application[TITLE] = prefix, title
    application[SECRET] = secrets.token_bytes(32)
    if origin is not None:
        application[ORIGIN] = origin
    application[ENDING] = asyncio.Event()
    application.on_shutdown.append(_end_streams)
    application.router.add_get("/-/static/{digest}/{name}", send_static)
    application.router.add_get("/-/prefer", remember_wish)


async def _end_streams(application: web.Application) -> None:
    application[ENDING].set()


def link(request: web.Request, path: str, **query: object) -> str:
    """Return an address of this application, escaped, with those words of the query that say something."""
    asked = urlencode([(name, value) for name, value in query.items() if value not in (None, "", False)])
    return request.app.get(PREFIX, "") + quote(path, safe=_SAFE) + (f"?{asked}" if asked else "")


def own_path(text: str) -> str:
    """Return a path with its query if it leads to this application, else `/`."""
    parts = urlsplit(text.replace("\\", "/"))
    clean = text.isprintable() and text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if clean and not parts.netloc and not parts.scheme else "/"


async def remember_wish(request: web.Request) -> web.Response:
    """Keep the reader's language or theme in a cookie, and go back; nothing else is changed by a GET."""
    back = own_path(request.query.get("back", "/"))
    path, _mark, query = back.partition("?")
    kept = "&".join(part for part in query.split("&") if part and not part.startswith("lang="))
    where = request.app.get(PREFIX, "") + quote(path, safe=_SAFE + "%") + (f"?{kept}" if kept else "")
    answer = web.Response(status=303, headers={**COMMON, "Location": where})
    for name, cookie, known in (("language", LANGUAGE_COOKIE, LANGUAGES), ("theme", THEME_COOKIE, THEMES)):
        wish = request.query.get(name, "")
        if wish in known:
            answer.set_cookie(cookie, wish, max_age=_YEAR, path="/", httponly=True, samesite="Lax")
    return answer
