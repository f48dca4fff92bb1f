"""Tell a file that a hub does not give at the moment from a repository that may not be read."""

from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import (
    AccessError,
    FileDeniedError,
    FileLackingError,
    GatedError,
    HubferryError,
    NetworkError,
    NotFoundError,
)
from hubferry.hubs.http.addresses import host_of
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubferry.hubs.http.answers import Answer
    from hubferry.model import RepoFile, RepoRef

_OF_THE_REPOSITORY = frozenset({"GatedRepo", "RepoNotFound", "RevisionNotFound"})
"""What X-Error-Code says when it is not about the file."""
_ENOUGH = 3
"""Refusals without a single file given after which they are the repository's, where it cannot be asked."""
_FRESH_SECONDS = 30.0
"""For how long the hub is not asked about the same repository again."""


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """How a hub is asked for a file that it lists.

    Attributes:
        url: The hub's own address of the file.
        ref: The repository that it is in.
        file: What is listed.
        check: Raises what a refusal of the hub itself stands for.
        confirm: Asks about the repository, after a file was denied (True) or not found (False): raises what
            is refused, and returns whether the hub says that nothing is.
    """

    url: str = field(repr=False)
    ref: RepoRef
    file: RepoFile
    check: Callable[[Answer], Answer]
    confirm: Callable[[bool], Awaitable[bool]]


@dataclass(slots=True)
class _Known:
    """What is known of one repository: whether a file was given, how many were refused, what was asked."""

    given: bool = False
    refused: int = 0
    asked: dict[bool, tuple[float, asyncio.Future[bool]]] = field(default_factory=dict)


class RefusedFiles:
    """The refusals of one hub."""

    def __init__(self) -> None:
        """Begin without any."""
        self._known: dict[RepoRef, _Known] = {}

    def given(self, question: FileQuestion) -> None:
        """Say that bytes of a file come."""
        self._of(question).given = True

    async def explained(
        self, question: FileQuestion, answer: Answer, error: AccessError | NotFoundError
    ) -> HubferryError:
        """Return the error that a refusal of a file is.

        The listing named it: while the repository may be read, a refusal passes, and is the file's only.

        Args:
            question: What was asked.
            answer: The refusal.
            error: What it would mean for the repository.
        """
        if isinstance(error, GatedError) or answer.headers.get("X-Error-Code") in _OF_THE_REPOSITORY:
            return error
        known = self._of(question)
        known.refused += 1
        try:
            fine = await self._confirmed(question, known, denied=isinstance(error, AccessError))
        except (AccessError, NotFoundError) as refusal:
            return copy(refusal)  # others hear of it, too, each for a file of its own
        except NetworkError:
            fine = False
        if not (fine or known.given or known.refused < _ENOUGH):
            return error
        kind = FileDeniedError if isinstance(error, AccessError) else FileLackingError
        said = answer.text()
        detail = f"HTTP {answer.status}" + (f": {said}" if said else "")
        message = _("{host} lists {path} and does not give it ({detail}).").format(
            host=host_of(answer.url), path=question.file.path, detail=detail
        )
        return kind(message, side=error.side)

    def _of(self, question: FileQuestion) -> _Known:
        known = self._known.get(question.ref)
        if known is None:
            known = self._known[question.ref] = _Known()
        return known

    async def _confirmed(self, question: FileQuestion, known: _Known, *, denied: bool) -> bool:
        """Ask about the repository, once for all that are refused at about the same time."""
        now = asyncio.get_running_loop().time()
        asked = known.asked.get(denied)
        if asked is None or now - asked[0] > _FRESH_SECONDS or asked[1].cancelled():
            asked = known.asked[denied] = now, asyncio.ensure_future(question.confirm(denied))
            asked[1].add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(asked[1])
