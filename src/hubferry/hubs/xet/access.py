"""Ask a hub where the chunks of a repository can be read, and with which token."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hubferry.hubs.huggingface.wire import quoted_revision
from hubferry.wire.exemptions import is_loopback

if TYPE_CHECKING:
    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.model import RepoRef, Revision

_MARGIN_SECONDS = 60.0
"""How long before its end a token is renewed (huggingface_hub, utils/_xet.py: the same minute)."""


class NoXetError(Exception):
    """Say that chunks cannot be read this way, or not any more; plain HTTP is left. Names no secret."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where to read chunks, and until when.

    Attributes:
        address: The chunk server, or `local://` and a folder.
        token: Short-lived, and for that server only.
        expires: Seconds since 1970, as the hub says.
        renew_at: From when on another one is to be asked for.
    """

    address: str
    token: str = field(repr=False)
    expires: int
    renew_at: float


async def ask(wire: Wire, revision: Revision) -> Access:
    """Ask for the right to read a commit's chunks.

    Wire fact: huggingface_hub 2.4.0, utils/_xet.py `xet_connection_info_refresh_url`, and the JSON that
    hf_xet 1.8.0 documents for its `token_refresh_url`: `{accessToken, exp, casUrl}`.

    Raises:
        NoXetError: The hub names no server that may be used.
        HubferryError: It refuses, or does not answer.
    """
    return await _ask(wire, revision.ref, f"/xet-read-token/{quoted_revision(revision.commit)}")


async def ask_to_write(wire: Wire, ref: RepoRef) -> Access:
    """Ask for the right to write chunks for a branch; facts and errors as with `ask`."""
    return await _ask(wire, ref, f"/xet-write-token/{quoted_revision(ref.revision or 'main')}")


async def _ask(wire: Wire, ref: RepoRef, rest: str) -> Access:
    told = (await wire.get(ref, wire.api(ref, rest))).json()
    now = time.time()
    address, token, expires = _fields(told)
    if expires <= now:
        raise NoXetError
    check_address(address, wire.client.endpoint)
    margin = min(_MARGIN_SECONDS, (expires - now) / 2)
    return Access(address, token, expires, expires - margin)


def check_address(address: str, endpoint: str) -> None:
    """Refuse a chunk server that a hub at `endpoint` has no business to name.

    A folder is opened, and written to, by the client: only a hub of this machine may name one. An unencrypted
    server is taken only from a hub that is itself spoken to unencrypted.

    Raises:
        NoXetError: It is refused.
    """
    try:
        hub, scheme = urlsplit(endpoint), urlsplit(address).scheme
    except ValueError:
        raise NoXetError from None
    allowed = {"https": True, "http": hub.scheme == "http", "local": is_loopback(hub.hostname or "")}
    if not allowed.get(scheme):
        raise NoXetError


def _fields(told: Any) -> tuple[str, str, int]:
    fields = told if isinstance(told, dict) else {}
    address, token, expires = (fields.get(name) for name in ("casUrl", "accessToken", "exp"))
    if not (isinstance(address, str) and isinstance(token, str) and isinstance(expires, (int, float))):
        raise NoXetError
    try:
        return address, token, int(expires)
    except (ValueError, OverflowError):
        raise NoXetError from None
