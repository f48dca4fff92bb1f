"""What a hub answered, and what kind of failure an answer is when no hub's own codes say more."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hubferry.errors import AccessError, BusyError, HubferryError, NetworkError, NotFoundError, Side
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUERY = re.compile(r"(https?://[^\s\"'?#]+)[?#][^\s\"']*")
_LONGEST_TEXT = 300
_MOST_READ = 16 * _LONGEST_TEXT
"""Cut only afterwards: half a token is not recognised."""
_SHORTEST_TOKEN = 4
"""Taking out shorter ones would garble ordinary words; no hub gives such."""
_tokens: set[str] = set()
_OK = range(200, 300)
_SERVER_ERRORS = range(500, 600)


def keep_out(token: str | None) -> None:
    """Let no answer of any hub repeat a token: what one side says may hold the other side's."""
    if token and len(token) >= _SHORTEST_TOKEN:
        _tokens.add(token)


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer of a hub."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = field(default="", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return self.status in _OK

    def json(self) -> Any:
        """Decode the body; None when it is not JSON, or nested beyond reason."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def text(self) -> str:
        """Return what the hub says went wrong, in one short line that holds no token and no signature."""
        said = self.headers.get("X-Error-Message") or _message(self.json())
        if said is None and not self._is_html():
            said = self.body[:_MOST_READ].decode("utf-8", "replace")
        line = _QUERY.sub(r"\1", " ".join((said or "").split()))
        for token in sorted(_tokens, key=len, reverse=True):  # one may be a part of another
            line = line.replace(token, "***")
        return line[:_LONGEST_TEXT]

    def _is_html(self) -> bool:
        kind = self.headers.get("Content-Type", "")
        return "html" in kind or self.body[:1] in (b"<", b"{")


def _message(body: Any) -> str | None:
    if not isinstance(body, dict):
        return None
    for key in ("error", "message", "Message", "msg"):
        if isinstance(body.get(key), str):
            return str(body[key])
    return None


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds a hub asks to wait, by Retry-After or Hugging Face's RateLimit; None if neither."""
    asked = headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(asked).timestamp()
    except (ValueError, TypeError, OverflowError):
        pass
    else:
        return max(0.0, moment - (time.time() if now is None else now))
    limit = re.search(r"r=0\s*;\s*t=(\d+)", headers.get("RateLimit", ""))
    return float(limit[1]) if limit else None


def failure(answer: Answer, *, host: str, side: Side) -> HubferryError:
    """Make an error of an answer by its status alone."""
    said = answer.text()
    detail = f"HTTP {answer.status}" + (f": {said}" if said else "")
    message = _("{host} answered {detail}").format(host=host, detail=detail)
    status = answer.status
    asked = status == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in answer.headers
    if asked or status == HTTPStatus.TOO_MANY_REQUESTS:
        return BusyError(message, side=side, retry_after=retry_after(answer.headers))
    if status in _SERVER_ERRORS or status in (408, 425):
        return NetworkError(message, side=side)
    if status in (401, 403):
        return AccessError(message, side=side)
    if status in (404, 410):
        return NotFoundError(message, side=side)
    return HubferryError(message, side=side)


def not_understood(answer: Answer, *, host: str, side: Side) -> NetworkError:
    """Make an error of an answer that is not what the question calls for, an HTML page for instance."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0] or "?"
    return NetworkError(
        _("{host} gave an answer that makes no sense ({kind}, {size} bytes).").format(
            host=host, kind=kind, size=len(answer.body)
        ),
        side=side,
        hint=_(
            "A proxy or a login page of the network may stand in between; hubferry doctor shows what it says."
        ),
    )
