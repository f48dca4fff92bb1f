"""Whose token it is at a Hugging Face server, and what it may do there.

Wire facts: huggingface_hub 2.4.0, hf_api.py `whoami`: `orgs[].roleInOrg`, `auth.accessToken.role`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hubferry.catalog import Account
from hubferry.errors import AccessError
from hubferry.hubs.http.answers import failure
from hubferry.hubs.http.client import Request
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.huggingface.wire import Wire

DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_TOKENS = "https://huggingface.co/settings/tokens"


async def account_behind(wire: Wire) -> Account | None:
    """Return whose token it is; None where the server does not tell.

    Raises:
        AccessError: The token is not taken.
        NetworkError: The server did not answer, for the moment.
    """
    answer = await asked(wire, f"{wire.client.endpoint}/api/whoami-v2")
    if answer.status in DENIED:
        raise _not_taken(wire)
    body = answer.json() if answer.ok else None
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        return None
    signed = body.get("auth")
    token = signed.get("accessToken") if isinstance(signed, dict) else None
    role = token.get("role") if isinstance(token, dict) else None
    return Account(body["name"], role if isinstance(role, str) else None, _roles(body.get("orgs")))


async def asked(wire: Wire, url: str) -> Answer:
    """Ask a question that a server need not know.

    Raises:
        NetworkError: It did not answer, for the moment.
    """
    answer = await wire.client.ask(Request("GET", url, {"Accept-Encoding": "gzip"}))
    error = None if answer.ok else failure(answer, host=wire.client.host, side=wire.client.side)
    if error is not None and error.retryable:
        raise error
    return answer


def _not_taken(wire: Wire) -> AccessError:
    hint = _("Set HF_TOKEN to a token that may read it ({url}).")
    if wire.client.side == "destination":
        hint = _("Set HF_TOKEN to a token that may write there ({url}).")
    message = _("{host} does not take this token.").format(host=wire.client.host)
    return AccessError(message, side=wire.client.side, hint=hint.format(url=_TOKENS))


def _roles(organizations: Any) -> dict[str, str]:
    entries = organizations if isinstance(organizations, list) else []
    named = [(one.get("name"), one.get("roleInOrg")) for one in entries if isinstance(one, dict)]
    return {name: role if isinstance(role, str) else "" for name, role in named if isinstance(name, str)}
