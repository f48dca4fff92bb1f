"""Tell apart why a hub refuses to be written to, as far as both dialects say it alike.

Wire facts: huggingface_hub#3366 and #3049 (403: "Private repository storage limit reached", "Your storage
patterns tripped our internal systems"), #3186 (504 at large commits), braindecode#947 (429: "You have
exceeded the rate limit for repository commits (128 per hour). You can retry this action in about 1 hour"),
datasets#6257 (429: "our hourly quotas for action: commit"); modelscope_hub/errors.py (`QuotaLimitExceed` is a
403) and constants.py (422: "commit request exceeds actions limit").
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from hubferry.errors import (
    AccessError,
    BusyError,
    HubferryError,
    QuotaError,
    TimedOutError,
    TooLargeError,
    TooManyError,
)
from hubferry.hubs.http.answers import retry_after
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.hubs.http.answers import Answer

_TIMED_OUT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT, 524})
"""524 is what Cloudflare says for 504."""
_NO_ROOM = frozenset({HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.INSUFFICIENT_STORAGE})
_BLAMED = frozenset({HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN})
"""With these a hub says no for good, in an envelope with the first."""
_QUOTA_WORDS = (
    "storage limit",
    "storage quota",
    "storage patterns",
    "more storage",
    "quota",
    "存储空间",
    "配额",
    "额度",
)
_TOO_LARGE_WORDS = ("too large", "size limit")
_TOO_MANY_WORDS = ("actions limit", "too many", "smaller batches", "more than")
_WHEN = re.compile(r"\b(?:in|after)(?: about)? (\d+) (second|minute|hour)", re.IGNORECASE)
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


def refusal(answer: Answer, host: str) -> HubferryError | None:
    """Return what a refused write stands for, None where only the hub's own dialect can tell."""
    said, status = answer.text(), answer.status
    words = said.lower()
    if status == HTTPStatus.TOO_MANY_REQUESTS:  # before the words: a rate is called a quota, too
        return busy(answer, host)
    if status in _TIMED_OUT:
        return TimedOutError(
            _("{host} did not finish in time (HTTP {status}).").format(host=host, status=status),
            side="destination",
        )
    if status in _NO_ROOM or (status in _BLAMED and means_quota(said)):
        return quota(host, said)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _says(answer, words, _TOO_LARGE_WORDS):
        message = _("{host} does not take so much in one go: {said}")
        return TooLargeError(_filled(message, host, said, status), side="destination")
    if _says(answer, words, _TOO_MANY_WORDS):
        message = _("{host} does not take so many files in one commit: {said}")
        return TooManyError(_filled(message, host, said, status), side="destination")
    return None


def means_quota(said: str) -> bool:
    """Return whether a refusal in words is about room."""
    words = said.lower()
    return any(word in words for word in _QUOTA_WORDS)


def busy(answer: Answer, host: str) -> BusyError:
    """Say that the hub wants a pause, and for how long where it says so, in a header or in words."""
    said = answer.text()
    seconds = retry_after(answer.headers)
    told = _WHEN.search(said)
    if told is not None:
        seconds = max(seconds or 0.0, float(told[1]) * _SECONDS[told[2].lower()])
    error = BusyError(
        _("{host} asks to wait: {said}").format(host=host, said=said or f"HTTP {answer.status}"),
        side="destination",
        retry_after=seconds,
        hint=_("Run the same command again later; what is uploaded already is not sent again."),
    )
    error.kind = "limited"
    return error


def no_right(host: str, said: str, *, namespace: str, account: str | None, hint: str) -> AccessError:
    """Say that this account may not write to that namespace."""
    who = (
        _("the account {account} may not write to {namespace}").format(account=account, namespace=namespace)
        if account
        else _("the token in use may not write to {namespace}").format(namespace=namespace)
    )
    return AccessError(
        _("{host}: {who}: {said}").format(host=host, who=who, said=said or "?"), side="destination", hint=hint
    )


def _says(answer: Answer, words: str, signs: tuple[str, ...]) -> bool:
    blamed = answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    return blamed and any(sign in words for sign in signs)


def _filled(message: str, host: str, said: str, status: int) -> str:
    return message.format(host=host, said=f"HTTP {status}" + (f": {said}" if said else ""))


def quota(host: str, said: str) -> QuotaError:
    """Say that the account has no room left there."""
    return QuotaError(
        _("{host} stores no more for this account: {said}").format(host=host, said=said or "?"),
        side="destination",
        hint=_("Free some room there or ask for more; what is uploaded already is not sent again."),
    )
