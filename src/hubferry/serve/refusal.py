"""Why the embedded hub says no; each dialect turns a reason into its own status, code and headers."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """What a request ran into, in no dialect."""

    REPOSITORY_MISSING = "repository missing"
    REVISION_MISSING = "revision missing"
    ENTRY_MISSING = "entry missing"
    ROUTE_MISSING = "route missing"
    METHOD = "method not allowed"
    NO_CREDENTIALS = "no credentials"
    WRONG_CREDENTIALS = "wrong credentials"
    FORBIDDEN = "forbidden"
    NO_RIGHTS = "no right to do this"
    GATED = "gated"
    REPOSITORY_EXISTS = "repository exists"
    REFERENCE_EXISTS = "reference exists"
    OUTDATED = "the branch moved"
    CONFLICT = "conflicting files"
    INVALID = "invalid"
    TOO_LARGE = "too large"
    TOO_MANY_ACTIONS = "too many actions"
    NOT_INLINE = "must be a blob"
    FULL_FOLDER = "too many files in a folder"
    FULL_REPOSITORY = "too many files"
    BAD_CARD = "invalid card"
    NO_BRANCH = "not on a branch"
    NO_LENGTH = "no length"
    QUOTA = "quota exhausted"
    RATE = "too many requests"
    COMMIT_RATE = "too many commits"
    POLICY = "rejected by policy"
    BLOB_MISSING = "blob missing"
    WRONG_BYTES = "wrong bytes"
    EXPIRED = "expired"
    RANGE = "range"
    MISDIRECTED = "not this hub's name"
    TOO_SLOW = "too slow"
    DISK = "disk"
    BROKEN = "broken"


class Refusal(Exception):  # noqa: N818  # an answer to a client, not a failure of ours
    """Refuse a request; `text` goes over the wire in English, as the real hubs answer.

    Without a text the dialect has one; `wait` are the seconds of a Retry-After, `status` takes the place of
    the dialect's own.
    """

    def __init__(
        self,
        reason: Reason,
        text: str = "",
        *,
        about: str | None = None,
        wait: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(text or reason.value)
        self.reason = reason
        self.text = text
        self.about = about
        self.wait = wait
        self.status = status
