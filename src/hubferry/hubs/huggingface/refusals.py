"""Tell apart why a Hugging Face server refuses a commit, or what belongs to it.

Wire facts: a branch that moved is 412, "A commit has happened since. Please refresh and try again." or "The
branch was updated since you opened this page" (huggingface/funes#69, datasets#7777); other servers say 409.
A bad card is 400, `Invalid metadata in README.md.` and lines like `- "license" must be one of [...]` or
`"base_model" with value "/x" is not valid` (hf_api.py `_validate_yaml`).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from hubferry.errors import AccessError, CardError, ConflictError
from hubferry.hubs.account import HUGGINGFACE_NAME, name_behind
from hubferry.hubs.http import refusals
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.errors import HubferryError
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.model import RepoRef

_MOVED = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
_CARD_WORDS = ("invalid metadata", "yaml", "model card", "dataset card")
_FIELD = re.compile(r"[\"“]([A-Za-z][\w.\[\]-]*)[\"”]\s+(?:must|is|has|with|should|needs|contains|length)")


async def checked(wire: Wire, ref: RepoRef, answer: Answer) -> Answer:
    """Return the answer to a write if it is a success, else raise what it stands for."""
    if answer.ok:
        return answer
    raise await with_account(wire, ref, answer, _refusal(wire, ref, answer))


async def with_account(wire: Wire, ref: RepoRef, answer: Answer, error: HubferryError) -> HubferryError:
    """Let the refusal of a write, where it is about rights, name the account and the namespace."""
    if type(error) is not AccessError or answer.status != HTTPStatus.FORBIDDEN:
        return error
    return refusals.no_right(
        wire.client.host,
        answer.text(),
        namespace=ref.repo_id.partition("/")[0],
        account=await name_behind(wire.client, HUGGINGFACE_NAME),
        hint=error.hint or "",
    )


def _refusal(wire: Wire, ref: RepoRef, answer: Answer) -> HubferryError:
    host, said = wire.client.host, answer.text()
    if answer.status == HTTPStatus.BAD_REQUEST and any(word in said.lower() for word in _CARD_WORDS):
        return _card(host, said)
    known = refusals.refusal(answer, host)
    if known is not None:
        return known
    if answer.status in _MOVED:
        return ConflictError(
            _("{host}: the branch moved while this was being committed: {said}").format(
                host=host, said=said or "?"
            ),
            side="destination",
            hint=_("Run the same command again."),
        )
    return wire.explained(ref, answer)


def _card(host: str, said: str) -> CardError:
    named = _FIELD.search(said)
    if named is None:
        message = _("{host} does not take the model card: {said}").format(host=host, said=said)
    else:
        message = _("{host} does not take “{field}” in the model card: {said}").format(
            host=host, field=named[1], said=said
        )
    hint = (
        _("--card fix-license writes the licence as the hub knows it; --exclude README.md leaves it out")
        if named is not None and named[1].startswith("license")
        else _("leave the card out with --exclude README.md, or mend it at the source")
    )
    return CardError(
        message, field=named[1] if named else None, side="destination", path="README.md", hint=hint
    )
