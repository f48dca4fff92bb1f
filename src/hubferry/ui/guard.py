"""Who is let in: by a name that is this machine's, with the key that was printed at the start."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from aiohttp import web
from markupsafe import escape

from hubferry.i18n import _, speaking
from hubferry.pages import reader_of, session_cookie
from hubferry.pages.headers import COMMON

if TYPE_CHECKING:
    from hubferry.ui.settings import Settings

KEY = "key"
"""Word of the query that has the key, in the address that is printed."""
_LEADS_ON = (
    '<!doctype html><title>hubferry</title><link rel="icon" href="data:,">'
    '<p><a href="{address}">{text}</a></p>\n'
)
_FREE = ("/-/static/", "/-/prefer")
"""What the page that refuses a reader needs itself; it says nothing about this machine."""
_PORT = re.compile(r":[0-9]{1,5}$")


class UnknownHostError(Exception):
    """A request for a name that is not this machine's: another page may have its own mean this address."""


class KeyLackingError(Exception):
    """A request without the key."""


def require_known_host(request: web.Request, settings: Settings) -> None:
    """Refuse a name by which nobody was told to ask.

    Raises:
        UnknownHostError: It is none of this machine's.
    """
    given = request.headers.getall("Host", [])
    name = _PORT.sub("", given[0]).lower().removesuffix(".") if len(given) == 1 else ""
    if name in settings.hosts or _is_here(name, local=settings.local):
        return
    if not settings.local and settings.key is None:  # whoever reaches it may read it, by whatever name
        return
    raise UnknownHostError


def _is_here(name: str, *, local: bool) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return not local and name == socket.gethostname().lower()
    return address.is_loopback or not local  # an address is no name that somebody else could give a meaning


def admitted(request: web.Request, settings: Settings) -> web.Response | None:
    """Let a reader in who has the key; one who comes with it in the address gets a cookie, and is led on.

    Raises:
        KeyLackingError: The reader has neither.
    """
    if settings.key is None or request.path.startswith(_FREE):
        return None
    given = request.query.get(KEY)
    if given is not None and hmac.compare_digest(given.encode(errors="replace"), settings.key.encode()):
        return _welcome(request, settings.key)
    shown = request.cookies.get(session_cookie(request), "")
    if hmac.compare_digest(shown.encode(errors="replace"), _session(settings.key).encode()):
        return None
    raise KeyLackingError


def _welcome(request: web.Request, key: str) -> web.Response:
    """Give a reader the cookie, with a page that leads on.

    A redirect would not do: who comes from a file or another site stays a stranger to a browser as long as
    redirects lead on, and a strict cookie is not shown for strangers.
    """
    rest = str(request.rel_url.without_query_params(KEY))
    with speaking(reader_of(request).language):
        text = _("Go on")
    answer = web.Response(
        text=_LEADS_ON.format(address=escape(rest), text=escape(text)),
        content_type="text/html",
        headers={**COMMON, "Refresh": f"0;url={rest}"},
    )
    answer.set_cookie(
        session_cookie(request),
        _session(key),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )
    return answer


def _session(key: str) -> str:
    return hashlib.sha256(b"hubferry session " + key.encode()).hexdigest()
