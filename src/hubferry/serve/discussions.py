"""Discussions and pull requests of one repository: values, and the file in which they are kept.

    <repository>/discussions.json

Where a pull request's commits are, the repository's own record says, as `refs/pr/<number>`.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import msgspec

from hubferry.serve.disk import write_atomically
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Status = Literal["draft", "open", "closed", "merged"]
_ID_BYTES = 12
_MOST = 10_000
_LONGEST = 65_536


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened in a discussion.

    Attributes:
        kind: `comment`, `status-change`, `title-change` or `commit`.
        text: The comment, the new status, the new title, or the commit's title.
        before: The older title, or the commit's id.
    """

    id: str
    kind: str
    author: str
    time: float
    text: str
    before: str = ""
    edited: bool = False
    hidden: bool = False


class Discussion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A discussion, or a pull request.

    Attributes:
        base: The branch that a pull request is for; None for a mere discussion.
        base_commit: Where that branch was when the pull request began.
    """

    number: int
    title: str
    author: str
    time: float
    status: Status = "open"
    base: str | None = None
    base_commit: str = ""
    merge_commit: str | None = None
    events: tuple[Event, ...] = ()


def new_event(kind: str, author: str, text: str, before: str = "") -> Event:
    """Return what happened just now."""
    if len(text) > _LONGEST:
        raise Refusal(Reason.TOO_LARGE, f"More than {_LONGEST} letters")
    return Event(secrets.token_hex(_ID_BYTES), kind, author, time.time(), text, before)


class Discussions:
    """All discussions of a repository. Every change is on disk when the method returns."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "discussions.json"
        self._lock = threading.RLock()

    @contextmanager
    def moving(self, folder: Path) -> Iterator[None]:
        """Keep others waiting while the repository's folder gets another name in the block."""
        with self._lock:
            yield
            self._path = folder / "discussions.json"

    def all(self) -> list[Discussion]:
        """Return every discussion, the newest first."""
        try:
            with self._lock:
                content = self._path.read_bytes()
            kept = msgspec.json.decode(content, type=list[Discussion])
        except FileNotFoundError:
            return []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(Reason.BROKEN, "The hub's record of discussions is broken") from error
        return sorted(kept, key=lambda one: -one.number)

    def find(self, number: int) -> Discussion:
        """Return a discussion.

        Raises:
            Refusal: There is none of this number.
        """
        for one in self.all():
            if one.number == number:
                return one
        raise Refusal(Reason.ENTRY_MISSING, "Discussion not found", about=str(number))

    def begin(  # one for each field of it
        self,
        title: str,
        author: str,
        text: str,
        *,
        status: Status = "open",
        base: str | None = None,
        base_commit: str = "",
    ) -> Discussion:
        """Open a discussion, a pull request where `base` is given; it gets the next number."""
        with self._lock:
            kept = self.all()
            if len(kept) >= _MOST:
                raise Refusal(Reason.INVALID, "Too many discussions")
            number = 1 + max((one.number for one in kept), default=0)
            first = new_event("comment", author, text)
            made = Discussion(
                number, title[:_LONGEST], author, first.time, status, base, base_commit, None, (first,)
            )
            self._write([*kept, made])
        return made

    def remove(self, number: int) -> None:
        """Remove a discussion, as if it had never been."""
        with self._lock:
            self._write([one for one in self.all() if one.number != number])

    def change(self, number: int, change: Callable[[Discussion], Discussion]) -> Discussion:
        """Replace a discussion by what `change` makes of it."""
        with self._lock:
            changed = change(self.find(number))
            self._write([changed if one.number == number else one for one in self.all()])
        return changed

    def happened(self, number: int, event: Event, **fields: object) -> Discussion:
        """Add an event to a discussion, and set fields."""

        def change(one: Discussion) -> Discussion:
            return msgspec.structs.replace(one, events=(*one.events, event), **fields)

        return self.change(number, change)

    def _write(self, kept: list[Discussion]) -> None:
        write_atomically(self._path, msgspec.json.encode(kept))
