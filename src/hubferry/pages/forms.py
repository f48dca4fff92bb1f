"""Forms that change something: they count only when a page of this application sent them."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web
from markupsafe import Markup

from hubferry.pages.reader import session_cookie

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET: web.AppKey[bytes] = web.AppKey("pages secret", bytes)
ORIGIN: web.AppKey[Callable[[web.Request], str]] = web.AppKey("pages origin")
FIELD = "form_token"
_LARGEST = 64 << 10
_MOST_FIELDS = 500


class CrossOriginError(Exception):
    """A form that no page of this application sent."""


def form_token(request: web.Request) -> str:
    """Return what a form must have: known to who can read a page of this process as this reader."""
    reader = request.cookies.get(session_cookie(request), "")
    return hmac.new(request.app[SECRET], reader.encode(errors="replace"), hashlib.sha256).hexdigest()


def hidden_token(request: web.Request) -> Markup:
    """Return the field of a form that carries its token."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, form_token(request))


def require_own_origin(request: web.Request) -> None:
    """Refuse what a page of another origin sent; a browser always says where a form comes from.

    Raises:
        CrossOriginError: It came from elsewhere, or does not say.
    """
    own = request.app.get(ORIGIN, _plain_origin)(request)
    if request.headers.get("Origin", "").lower() != own.lower():
        raise CrossOriginError


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form that a page of this application sent; of one named twice the last.

    Raises:
        CrossOriginError: It came from elsewhere, or has not the token.
        web.HTTPRequestEntityTooLarge: It is beyond reason.
    """
    require_own_origin(request)
    if request.content_type != "application/x-www-form-urlencoded":
        raise CrossOriginError
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > _LARGEST:
            raise web.HTTPRequestEntityTooLarge(_LARGEST, len(body))
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise web.HTTPBadRequest from error
    given = fields.pop(FIELD, "")
    if not hmac.compare_digest(given.encode(), form_token(request).encode()):
        raise CrossOriginError
    return fields


def _plain_origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"
