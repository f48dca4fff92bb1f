"""What a hub answered, and what kind of failure an answer is when no hub's own codes say more."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hubferry.budget.requests import Left
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
_LONGEST_PAUSE = 86400.0
"""Seconds; a hub that names more has a wrong clock, or no wish to be asked."""
_MOST_REQUESTS = 10.0**9
"""In a window; more are no limit."""
_OK = range(200, 300)
_BYTES_A_VALUE = 32
"""Of the bytes that an answer may have, for each value in it: a value costs some hundred bytes of memory."""
LARGEST_ANSWER = 1 << 24
LARGEST_LISTING = 1 << 27
"""Bytes of an answer, unpacked: of an ordinary one, and of one about all files of a repository."""
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
    most: int = LARGEST_ANSWER
    """Bytes that it might have had."""

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return self.status in _OK

    def json(self) -> Any:
        """Decode the body; None when it is not JSON, nested beyond reason, or of too many values."""
        if sum(map(self.body.count, (b",", b"[", b"{"))) > self.most // _BYTES_A_VALUE:
            return None
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


def texts_in(entries: Any, key: str) -> tuple[str, ...]:
    """Return what the entries of a list say under a key, each text once; what is odd there says nothing."""
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    texts = [row.get(key) for row in rows]
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and text))


def _message(body: Any) -> str | None:
    if not isinstance(body, dict):
        return None
    for key in ("error", "message", "Message", "msg"):
        if isinstance(body.get(key), str):
            return str(body[key])
    return None


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds a hub asks to wait, by Retry-After or Hugging Face's RateLimit.

    Args:
        headers: Of the answer. A date counts from the answer's own, where it has one: clocks differ.
        now: Seconds since 1970, by our clock unless given.

    Returns:
        None where neither names a time that is to be believed: at least now, at most a day from now.
    """
    asked = headers.get("Retry-After", "").strip()
    seconds = _seconds(asked)
    if seconds is None:
        moment, here = _moment(asked), _moment(headers.get("Date", ""))
        here = here or (time.time() if now is None else now)
        seconds = None if moment is None else moment - here
    named = (seconds, *_windows(headers))
    return next((one for one in named if one is not None and 0 < one <= _LONGEST_PAUSE), None)


def used_up(headers: Mapping[str, str]) -> float | None:
    """Return in how many seconds a hub takes requests again, None where it says that it takes more now.

    Wire fact: every answer of Hugging Face's says what is left of the limit that it counted for
    (`RateLimit: "resolvers";r=0;t=55`), and how long its windows are (`RateLimit-Policy: …;w=300`).
    """
    if "RateLimit" not in headers:
        return None
    return next((one for one in _windows(headers) if 0 < one <= _LONGEST_PAUSE), None)


def limits_left(headers: Mapping[str, str]) -> tuple[Left, ...]:
    """Return what an answer says of the limits that it was counted for, as far as it is understood."""
    said = headers.get("RateLimit")
    if said is None:
        return ()
    quotas = _limits(headers.get("RateLimit-Policy", ""))
    found = []
    for name, one in _limits(said).items():
        policy = quotas.get(name, {})
        left, seconds = _seconds(one.get("r", "")), _seconds(one.get("t", policy.get("w", "")))
        quota = _seconds(policy.get("q", ""))
        if left is not None and seconds is not None and left >= 0 and 0 < seconds <= _LONGEST_PAUSE:
            whole = int(quota) if quota is not None and 0 < quota < _MOST_REQUESTS else None
            found.append(Left(name.strip('"'), int(min(left, _MOST_REQUESTS)), seconds, whole))
    return tuple(found)


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    """Return an HTTP date as seconds since 1970."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _windows(headers: Mapping[str, str]) -> list[float]:
    """Return in how many seconds each limit begins anew of which nothing is left, the last one first."""
    limits = _limits(headers.get("RateLimit", ""))
    lengths = _limits(headers.get("RateLimit-Policy", ""))
    ends = [
        _seconds(one["t"] if "t" in one else lengths.get(name, {}).get("w", ""))
        for name, one in limits.items()
        if one.get("r") == "0"
    ]
    return sorted((end for end in ends if end is not None), reverse=True)


def _limits(said: str) -> dict[str, dict[str, str]]:
    """Return the parameters of each limit, by its name, which is the last item before them."""
    found = {}
    for limit in said.split(","):
        items = [item.strip() for item in limit.split(";")]
        names = [item for item in items if "=" not in item]
        found[names[-1] if names else ""] = _parameters(limit)
    return found


def _parameters(limit: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in limit.split(";"))
    return {name.strip(): value.strip() for name, _equals, value in pairs}


def failure(answer: Answer, *, host: str, side: Side) -> HubferryError:
    """Make an error of an answer by its status alone."""
    said = answer.text()
    detail = f"HTTP {answer.status}" + (f": {said}" if said else "")
    message = _("{host} answered {detail}").format(host=host, detail=detail)
    status = answer.status
    asked = status == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in answer.headers
    if asked or status == HTTPStatus.TOO_MANY_REQUESTS:
        error = BusyError(message, side=side, retry_after=retry_after(answer.headers))
        error.kind = "limited" if status == HTTPStatus.TOO_MANY_REQUESTS else "busy"
        return error
    if status in _SERVER_ERRORS or status in (408, 425):
        return NetworkError(message, side=side)
    if status in (401, 403):
        return AccessError(message, side=side)
    if status in (404, 410):
        return NotFoundError(message, side=side)
    return HubferryError(message, side=side)
