"""The style sheet, the script and the icon, at an address that changes with what they say."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


@lru_cache(maxsize=1)
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


@lru_cache(maxsize=1)
def _digest() -> str:
    return hashlib.sha256(b"\0".join(_files().values())).hexdigest()[:16]


def static_address(name: str) -> str:
    """Return where a file is, below the folder at which a proxy shows the pages."""
    return f"/-/static/{_digest()}/{name}"


async def send_static(request: web.Request) -> web.Response:
    """Send a file; one of another version of this program is not there."""
    body = _files().get(request.match_info["name"])
    if body is None or request.match_info["digest"] != _digest():
        raise web.HTTPNotFound
    headers = {"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"}
    suffix = Path(request.match_info["name"]).suffix
    return web.Response(body=body, content_type=_TYPES[suffix], charset="utf-8", headers=headers)
