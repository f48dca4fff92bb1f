"""Whose token it is: the owner of what an account creates, and the proof that a token is taken.

Wire facts: huggingface_hub/hf_api.py (`whoami`); modelscope_hub/_openapi.py (`get_current_username`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubferry.errors import AccessError, HubferryError
from hubferry.findings import NOT_SAID, Finding, warning
from hubferry.hubs.http import mistaken
from hubferry.hubs.http.addresses import endpoint_of
from hubferry.hubs.http.client import HubClient, Request
from hubferry.hubs.huggingface import wire as huggingface
from hubferry.hubs.modelscope import wire as modelscope
from hubferry.hubs.reaching import reach
from hubferry.i18n import _
from hubferry.model import RepoRef

if TYPE_CHECKING:
    from hubferry.errors import Side
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.reaching import Reach

HUGGINGFACE_NAME = "/api/whoami-v2"
MODELSCOPE_NAME = "/openapi/v1/users/me"
_NAMES = ("Username", "username", "name", "preferred_username")
"""In this order: the login before a display name; the fields have changed over time."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to ask a hub who we are; None is what would be found, see `reaching.reach`.

    `named` is what the configuration file calls it, where it is none of the two that everybody knows.
    """

    token: str | None = None
    endpoint: str | None = None
    allow_insecure: bool = False
    side: Side = "destination"
    named: str | None = None


def _reached(ref: RepoRef, login: Login) -> Reach:
    return reach(ref, token=login.token, insecure=login.allow_insecure)


def modelscope_account(login: Login = Login()) -> str:
    """Return the name of the ModelScope account that the token belongs to.

    Raises:
        AccessError: There is no token, or it is not taken.
        NetworkError: The hub cannot be reached.
    """
    at = _reached(RepoRef("ms", "account", endpoint=login.endpoint, named=login.named), login)
    token = at.token
    client = HubClient(
        at.endpoint, token, side=login.side, login=modelscope.login, allow_insecure=at.insecure
    )
    wire = modelscope.Wire(client)
    if token is None:
        raise wire.access(_("{host} needs a token, and none is set."), "")
    nobody = RepoRef("ms", "account")
    answer = _ask(client, MODELSCOPE_NAME)
    return _named(
        wire.checked(nobody, answer).json(), wire.access(_("{host} names no account for this token."), "")
    )


def huggingface_account(login: Login = Login()) -> str:
    """Return the name of the Hugging Face account that the token belongs to; errors as for ModelScope."""
    at = _reached(RepoRef("hf", "account", endpoint=login.endpoint, named=login.named), login)
    token = at.token
    client = HubClient(
        at.endpoint, token, side=login.side, login=huggingface.login, allow_insecure=at.insecure
    )
    hint = _("Set HF_TOKEN to a token from {url}").format(url="https://huggingface.co/settings/tokens")
    if token is None:
        message = _("{host} needs a token, and none is set.").format(host=client.host)
        raise AccessError(message, side=login.side, hint=hint)
    refused = AccessError(
        _("{host} does not take this token.").format(host=client.host), side=login.side, hint=hint
    )
    answer = _ask(client, HUGGINGFACE_NAME)
    if answer.status in (401, 403):
        raise refused
    return _named(huggingface.Wire(client).checked(RepoRef("hf", "account"), answer).json(), refused)


async def name_behind(client: HubClient, path: str) -> str | None:
    """Return whose token `client` uses, None where the hub does not say; for an error that should name it."""
    try:
        return name_in(
            (await client.ask(Request("GET", client.endpoint + path, {"Accept": "application/json"}))).json()
        )
    except HubferryError:
        return None


def reachable(endpoint: str, path: str, *, side: Side) -> None:
    """Return when a hub answers at `endpoint`, whatever it says to a question about the account.

    Raises:
        NetworkError: Nothing does, or something else: a login page of the network, for instance.
    """
    _ask(HubClient(endpoint, None, side=side, login=huggingface.login), path)


def _ask(client: HubClient, path: str) -> Answer:
    """Ask once.

    Raises:
        NetworkError: There is no answer, or a web page that claims to be one.
    """

    async def once() -> Answer:
        try:
            return await client.ask(Request("GET", client.endpoint + path, {"Accept": "application/json"}))
        finally:
            await client.close()

    answer = asyncio.run(once())
    if answer.ok and mistaken.is_page(answer.body):
        error = mistaken.not_understood(answer, host=client.host, side=client.side)
        hint = _("Open {url} in a browser: the network may want a login there first.")
        error.hint = hint.format(url=endpoint_of(answer.url))
        raise error
    return answer


def _named(body: Any, otherwise: HubferryError) -> str:
    """Return the account's name from an answer, or raise."""
    name = name_in(body)
    if name is None:
        raise otherwise
    return name


def other_namespace(ref: RepoRef, account: str, host: str) -> Finding:
    """Say that a repository is to be created under a name that is not the account's; creating it tells."""
    message = _(
        "{ref} would be created under {owner}, and the token is {account}'s; {host} does not say beforehand "
        "whether it may"
    )
    owner = ref.repo_id.partition("/")[0]
    return warning(NOT_SAID, message.format(ref=ref, owner=owner, account=account, host=host))


def name_in(body: Any) -> str | None:
    """Return the account's name that an answer gives, with or without an envelope around it."""
    for place in (body, *(body.get(key) for key in ("data", "Data") if isinstance(body, dict))):
        for key in _NAMES:
            if isinstance(place, dict) and isinstance(place.get(key), str) and place[key]:
                return str(place[key])
    return None
