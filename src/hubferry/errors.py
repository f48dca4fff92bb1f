"""Everything that can go wrong, as one tree; each class carries the exit code of the command line.

    HubferryError                 1   unexpected
    ├── UsageError                2   what was asked cannot be meant
    │   ├── PinnedError           2   a pinned model that was not named in full
    │   ├── CardError             2   the hub does not take the model card
    │   ├── StalePlanError        2   a plan that was written down, and a side has moved since
    │   ├── TooLargeError         2   more bytes than the hub takes in one go
    │   ├── TooManyError          2   more files than the hub takes in one go
    │   └── UnlistableError       2   more entries than the hub lists, however often it is asked
    ├── NotFoundError             3   no such repository, revision or file
    │   ├── NothingSelectedError  3   there, and without a file that is selected
    │   └── FileLackingError      3   listed, and not to be had at the moment
    ├── AccessError               4   there, but not for this token
    │   ├── FileDeniedError       4   one file is not given, others are
    │   ├── GatedError            4   its terms must be accepted first
    │   └── QuotaError            4   the account may store no more there
    ├── NetworkError              5   trying again later may help
    │   ├── BusyError             5   the hub asked us to wait
    │   │   └── PolicyError       5   and to send less at once
    │   ├── CertificateError      5   a certificate is not accepted; asking again does not help
    │   ├── ProxyError            5   the proxy refuses us; asking again does not help
    │   ├── ConflictError         5   somebody else was faster
    │   └── TimedOutError         5   the hub did not finish in time
    ├── IntegrityError            6   bytes are not what they should be
    │   ├── WrongFileError        6   an answer that is not the file, as can be seen by its length
    │   └── MovedTagError         6   a tag that means something else at the other side
    ├── DiskError                 7   read-only, failing or not ours
    │   └── DiskFullError         7   no room
    ├── LockedError               8   another run holds the model
    ├── PartialError              9   some files failed
    └── InterruptedRunError     130   Ctrl-C, or a signal

An error says what failed (its message), what was being done (`doing`), at which `side`, for which `path`, and
what to type next (`hint`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Side = Literal["source", "destination", "cache"]
Kind = Literal["refused", "silent", "failing", "busy", "limited"]
"""What a passing failure is: nobody there, no answer, a broken or wrong one, too much at once, too often."""


class HubferryError(Exception):
    """Report a failure: a message in the user's language, the side, the file, the next thing to type."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        side: Side | None = None,
        path: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.side = side
        self.path = path
        self.hint = hint
        self.doing: str | None = None
        """What was being done, with which file, in a translated phrase; None where the message says it."""
        self.others: tuple[HubferryError, ...] = ()
        """What else would have stopped the run; see `hubferry.findings.together`."""
        self.held = 0.0
        """Seconds of what failed in which a hub's budget held it back: no time without progress."""
        self.got_on = False
        """Whether a part was done before this failed, so that asking again goes on where it stopped."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Take all of it along to another process, whatever its constructor takes."""
        return _remade, (type(self), self.args), self.__dict__

    @property
    def sentence(self) -> str:
        """What was being done, and what came in between."""
        if self.doing is None:
            return self.message
        return _("{doing}: {message}").format(doing=self.doing, message=self.message)


def _remade(kind: type[HubferryError], words: tuple[Any, ...]) -> HubferryError:
    return kind.__new__(kind, *words)


class UsageError(HubferryError):
    """Refuse a request that cannot be meant: a bad name, options that exclude each other."""

    exit_code = 2


class PinnedError(UsageError):
    """Refuse to remove a model that somebody pinned; nothing of it was removed."""


class CardError(UsageError):
    """Report a model card whose front matter the hub refuses; `field` is what it names, None if nothing."""

    def __init__(self, message: str, *, field: str | None = None, **details: str | None) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]  # the same keywords, passed through
        self.field = field


class StalePlanError(UsageError):
    """Refuse to carry out a plan that was written down: a side is not as it was. Nothing was done."""


class TooLargeError(UsageError):
    """Report a request of more bytes than the hub takes; less of it may go."""


class TooManyError(UsageError):
    """Report a commit of more files than the hub takes; fewer of them may go."""


class UnlistableError(UsageError):
    """Report a listing that the hub never gives whole: asking again does not help."""


class NotFoundError(HubferryError):
    """Report a repository, revision or file that is not there, or is hidden from this token."""

    exit_code = 3


class NothingSelectedError(NotFoundError):
    """Report a revision that is there and has no file that is selected."""


class FileLackingError(NotFoundError):
    """Report a file that its hub lists and says not to have; the repository is there, so it may come yet."""

    retryable = True


class AccessError(HubferryError):
    """Report a missing, wrong or too weak token."""

    exit_code = 4


class FileDeniedError(AccessError):
    """Report a file that its hub lists and does not give, while the repository may be read."""

    retryable = True


class GatedError(AccessError):
    """Report a repository whose terms this account has not accepted."""


class QuotaError(AccessError):
    """Report that the account may store no more at the hub: nothing but room, or another plan, helps."""


class NetworkError(HubferryError):
    """Report a connection or server failure that may pass; `kind` decides how long to wait."""

    exit_code = 5
    retryable = True
    kind: Kind = "failing"
    doubtful: bool = False
    """Whether it may be a mistake in what was asked for; patience is short until the hub was heard."""


class BusyError(NetworkError):
    """Report that the hub asked for a pause; `retry_after` is in seconds, None when it named no time."""

    kind: Kind = "busy"

    def __init__(self, message: str, *, retry_after: float | None = None, **details: str | None) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]  # the same keywords, passed through
        self.retry_after = retry_after


class CertificateError(NetworkError):
    """Report a certificate that is not accepted, or a list of authorities that cannot be read."""

    retryable = False


class ProxyError(NetworkError):
    """Report a proxy that does not let us in or through, or one that the environment names wrongly."""

    retryable = False


class PolicyError(BusyError):
    """Report that the hub holds a commit back by a rule it does not name: wait, and send less at once."""


class ConflictError(NetworkError):
    """Report that a branch moved between look and commit; nothing was done. Look again, then ask again."""


class TimedOutError(NetworkError):
    """Report that the hub did not finish in time; it may have done it all the same, or do it yet."""

    kind: Kind = "silent"


class IntegrityError(HubferryError):
    """Report bytes that do not match the digest or length that a hub listed."""

    exit_code = 6


class WrongFileError(IntegrityError):
    """Report an answer that is not the file that is listed, of another length; the next one may be it."""

    retryable = True


class MovedTagError(IntegrityError):
    """Report a tag that the destination has with another content than the source; it is left as it is."""


class DiskError(HubferryError):
    """Report a full, read-only, failing or forbidden disk."""

    exit_code = 7


class DiskFullError(DiskError):
    """Report that there is no room; `path` is where."""


class LockedError(HubferryError):
    """Report that another run holds the model."""

    exit_code = 8


class PartialError(HubferryError):
    """Report that some files failed; `failures` has one error a file, in path order."""

    exit_code = 9

    def __init__(self, message: str, failures: tuple[HubferryError, ...], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.failures = failures


class InterruptedRunError(HubferryError):
    """Report that a person or a signal ended the run."""

    exit_code = 130


@contextmanager
def naming(doing: str, path: str | None = None) -> Iterator[None]:
    """Let errors of ours in a `with` block say what was being done, and with which file, unless they do."""
    try:
        yield
    except HubferryError as error:
        error.path = error.path or path
        if error.doing is None and not (path and path in error.message):
            error.doing = doing
        raise


def most_telling(errors: Sequence[BaseException]) -> BaseException:
    """Return the one of several errors that says most about what is wrong; the first of equals.

    A missing name, a refusal, wrong bytes are causes; a connection that broke, and work that was broken off,
    may be what came of them.
    """
    return min(errors, key=_vagueness)


def _vagueness(error: BaseException) -> int:
    if isinstance(error, InterruptedRunError):
        return 4
    if not isinstance(error, NetworkError) or not error.retryable:
        return 0 if not isinstance(error, HubferryError) else 1
    return 2 if isinstance(error, (BusyError, ConflictError)) else 3
