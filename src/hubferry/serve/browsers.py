"""What a browser is told besides when it asks for a file: to keep it, under its name. No other client is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from aiohttp import web

_PICTURES = {"svg": "image/svg+xml", "avif": "image/avif", "webp": "image/webp"}
"""Those that a browser does not know by their first bytes alone."""
_ASKED_AGAIN = {"Cache-Control": "private, no-cache"}
"""What one reader may see, another at the same browser may not: the hub is asked before it is shown again."""


def is_browser(request: web.Request) -> bool:
    """Return whether a browser asks: only those say what they want something for, or that they read HTML."""
    return "Sec-Fetch-Dest" in request.headers or "text/html" in request.headers.get("Accept", "")


def kept_as(request: web.Request, path: str) -> dict[str, str]:
    """Return headers by which a browser keeps a file instead of opening it, or shows it inside of a page.

    Args:
        request: Whom to answer.
        path: The file's, or its name.
    """
    if not is_browser(request):
        return {}
    name = path.rpartition("/")[2]
    if request.headers.get("Sec-Fetch-Dest") == "image":
        kind = _PICTURES.get(name.rpartition(".")[2].lower())
        return dict(_ASKED_AGAIN) if kind is None else {**_ASKED_AGAIN, "Content-Type": kind}
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    named = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {**_ASKED_AGAIN, "Content-Disposition": named}
