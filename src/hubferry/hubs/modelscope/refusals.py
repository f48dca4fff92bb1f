"""Tell apart why ModelScope refuses a commit.

Wire facts: modelscope_hub/_upload.py (`_is_retryable_commit_error`, `_should_split_commit_failure`) and
errors.py (`_COMMIT_RETRYABLE_BUSINESS_CODES`): 10030000001 is a branch that moved, or with status 400 and
other words a policy. The rate of commits (`E1021` in the client) comes as 429, "Commit frequency limit
exceeded" (modelscope#1793): more commits of fewer files would make it worse, so it is waited out as it is.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from hubferry.errors import AccessError, ConflictError, PolicyError
from hubferry.hubs.account import MODELSCOPE_NAME, name_behind
from hubferry.hubs.http import refusals
from hubferry.hubs.http.answers import retry_after
from hubferry.hubs.modelscope.wire import code, refused
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.errors import HubferryError
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.modelscope.wire import Wire
    from hubferry.model import RepoRef

_TEMPORARY = 10030000001
_MOVED = ("branch changed", "could not update refs", "please retry", "try again")
_POLICY = ("repository policy",)
_RATE = ("frequency limit", "e1021")
_CLIENT_ERRORS = range(400, 500)


async def checked(wire: Wire, ref: RepoRef, answer: Answer) -> Answer:
    """Return the answer to a commit if status and envelope say success, else raise what it stands for."""
    if answer.ok and not refused(answer.json()):
        return answer
    raise await with_account(wire, ref, answer, _refusal(wire, ref, answer))


async def with_account(wire: Wire, ref: RepoRef, answer: Answer, error: HubferryError) -> HubferryError:
    """Let the refusal of a write, where it is about rights, name the account and the namespace."""
    if type(error) is not AccessError or HTTPStatus.FORBIDDEN not in (answer.status, code(answer.json())):
        return error
    return refusals.no_right(
        wire.client.host,
        answer.text(),
        namespace=ref.repo_id.partition("/")[0],
        account=await name_behind(wire.client, MODELSCOPE_NAME),
        hint=error.hint or "",
    )


def _refusal(wire: Wire, ref: RepoRef, answer: Answer) -> HubferryError:
    said, number = answer.text(), code(answer.json())
    words = said.lower()
    if answer.ok or answer.status in _CLIENT_ERRORS:
        if any(word in words for word in _RATE):
            return refusals.busy(answer, wire.client.host)
        if any(word in words for word in _POLICY):
            return _held_back(wire, answer)
        if number == _TEMPORARY or any(word in words for word in _MOVED):
            plain = not any(word in words for word in _MOVED)
            held_back = plain and answer.status == HTTPStatus.BAD_REQUEST
            return _held_back(wire, answer) if held_back else _moved(wire, said)
        if answer.status == HTTPStatus.CONFLICT:
            return _moved(wire, said)
    known = refusals.refusal(answer, wire.client.host)
    return wire.explained(ref, answer) if known is None else known


def _moved(wire: Wire, said: str) -> ConflictError:
    return ConflictError(
        _("{host}: the branch moved while this was being committed: {said}").format(
            host=wire.client.host, said=said or "?"
        ),
        side="destination",
        hint=_("Run the same command again."),
    )


def _held_back(wire: Wire, answer: Answer) -> PolicyError:
    return PolicyError(
        _("{host} holds the commit back by a policy of its own: {said}").format(
            host=wire.client.host, said=answer.text() or f"HTTP {answer.status}"
        ),
        side="destination",
        retry_after=retry_after(answer.headers),
        hint=_("Run the same command again later; what is uploaded already is not sent again."),
    )
