"""Ask a Hugging Face server beforehand what would refuse a copy in the end: rights, branch, card.

Wire facts: huggingface_hub 2.4.0, hf_api.py: `auth_check(write=True)`, `whoami`, `list_repo_refs` and
`_validate_yaml`. A server that does not know a question leaves the answer to the commit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hubferry import cards
from hubferry.errors import AccessError, UsageError
from hubferry.findings import Finding, refused, warning
from hubferry.hubs.account import other_namespace
from hubferry.hubs.http.answers import texts_in
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.huggingface.accounts import DENIED, account_behind, asked
from hubferry.hubs.huggingface.wire import quoted_revision
from hubferry.hubs.xet.choice import is_installed, mode
from hubferry.i18n import _
from hubferry.model import Action
from hubferry.tasks import run_all
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.catalog import Account
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.model import Plan, Revision

_DEFAULTS = (None, "main", "master")
_LONG_LIST = re.compile(r"\[([^\],]*, [^\],]*, [^\],]*),[^\]]*\]")
"""What may stand in a field, which can be a hundred words."""
_TOKENS = "https://huggingface.co/settings/tokens"


class Examination:
    """The questions about one plan."""

    def __init__(self, wire: Wire, plan: Plan) -> None:
        """Prepare to ask over `wire`."""
        self._wire = wire
        self._plan = plan
        self._ref = plan.destination.ref

    async def findings(self) -> tuple[Finding, ...]:
        """Ask everything at the same time.

        Raises:
            NetworkError: The server could not be asked.
        """
        answers = await run_all(self._rights(), self._branch(), self._card(), self._large())
        return tuple(finding for found in answers for finding in found)

    async def _rights(self) -> list[Finding]:
        there = self._plan.destination
        if self._plan.proposes:
            return await self._proposals(there)
        if there.exists or there.branchless:
            answer = await self._get(self._wire.api(self._ref, "/auth-check/write"))
            denied = answer.status in DENIED
            account = await account_behind(self._wire) if denied else None
            return [refused("may-not-write", self._denied(account))] if denied else []
        account = await account_behind(self._wire)
        if account is None:
            return []
        if account.reads_only:
            return [refused("may-not-write", self._denied(account))]
        owner = self._ref.repo_id.partition("/")[0]
        return [] if owner in account.namespaces else [other_namespace(self._ref, account.name, self._host)]

    async def _proposals(self, there: Revision) -> list[Finding]:
        """Ask whether a pull request can be opened, which needs a repository, and no right to write to it."""
        if not there.exists:
            message = _("{ref} is not there: a pull request needs a repository")
            hint = _("leave --create-pr out to create it")
            error = UsageError(message.format(ref=self._ref), side="destination", hint=hint)
            return [refused("no-repository", error)]
        account = await account_behind(self._wire)
        if account is None or not account.reads_only:
            return []
        return [refused("may-not-write", self._denied(account))]

    async def _branch(self) -> list[Finding]:
        """Refuse to commit to what is no branch; one that is missing is made."""
        name = self._ref.revision
        if name in _DEFAULTS or not self._plan.destination.exists:
            return []
        answer = await self._get(self._wire.api(self._ref, "/refs"))
        refs = answer.json() if answer.ok else None
        branches = refs.get("branches") if isinstance(refs, dict) else None
        if not isinstance(branches, list):
            return []
        if name in texts_in(branches, "name") or (name or "").startswith("refs/"):
            return []
        message = _("{ref} is a tag or a commit: only a branch can be written to")
        hint = _("leave out @{revision}, or name a branch; one that is not there is made")
        error = UsageError(message.format(ref=self._ref), side="destination", hint=hint.format(revision=name))
        return [refused("no-branch", error)]

    async def _large(self) -> list[Finding]:
        """Refuse what only chunked storage takes, where the hub has it and this machine cannot use it.

        Wire fact: _commit_api.py: a client without hf_xet refuses files of more than 50 GB: git LFS ends
        there. A hub without chunked storage has limits of its own.
        """
        plan, most = self._plan, self._plan.limits.advised_file_size or 0
        moving = plan.of(Action.SEND, Action.FETCH_SEND)
        large = [step.file for step in moving if (step.file.size or 0) > most]
        if not large or (is_installed() and mode() != "never"):
            return []
        ref = self._ref if plan.destination.exists else replace(self._ref, revision=None)
        branch = quoted_revision(ref.revision or "main")
        answer = await self._get(self._wire.api(ref, f"/xet-write-token/{branch}"))
        is_real = urlsplit(self._wire.client.endpoint).hostname == "huggingface.co"
        if not (answer.ok or is_real):
            return []
        message = _("{path} has {size}: {host} takes more than {limit} in chunks (Xet) alone")
        hint = _("install what sends them: {command}").format(command="pip install hf-xet")
        if is_installed():
            hint = _("Xet is turned off here: unset HUBFERRY_XET and HF_HUB_DISABLE_XET")
        return [
            refused(
                "needs-xet",
                UsageError(
                    message.format(
                        path=file.path,
                        size=readable_size(file.size or 0),
                        host=self._host,
                        limit=readable_size(most),
                    ),
                    side="destination",
                    path=file.path,
                    hint=hint,
                ),
            )
            for file in large
        ]

    async def _card(self) -> list[Finding]:
        """Let the server read the model card that is going to be published, as it will at the commit."""
        card = self._plan.card
        if card is None:
            return []
        try:
            content = card.decode()
        except UnicodeDecodeError:
            return []
        url = f"{self._wire.client.endpoint}/api/validate-yaml"
        body = json_body({"content": content, "repoType": self._ref.repo_type})
        answer = await self._wire.client.ask(Request("POST", url, {"Content-Type": "application/json"}, body))
        told = answer.json()
        if not isinstance(told, dict) or answer.status not in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
            return []
        return [*self._bad_card(told, card), *_remarks(told)]

    def _bad_card(self, told: dict[str, Any], card: bytes) -> Iterator[Finding]:
        errors = [_message(one) for one in _list(told.get("errors"))]
        if errors:
            said = _LONG_LIST.sub(r"[\1, …]", "; ".join(errors))[:300]
            message = _("{host} will not take {path}: {said}")
            message = message.format(host=self._host, path=cards.NAME, said=said)
            mendable = cards.with_known_license(card) is not None
            hint = _("leave it out with --exclude {path}").format(path=cards.NAME)
            if mendable:
                hint = _("--card fix-license sends it with the licence's name as this hub knows it")
            yield refused("card", UsageError(message, side="destination", path=cards.NAME, hint=hint))

    def _denied(self, account: Account | None) -> AccessError:
        if account is None:
            message = _("{host} does not let this token write to {name}")
        elif account.reads_only:
            message = _("the token of {account} at {host} may only read")
        else:
            message = _("{account} may not write to {name} at {host}; its namespaces are {namespaces}")
        message = message.format(
            host=self._host,
            name=self._ref.repo_id,
            account=account.name if account else "",
            namespaces=", ".join(sorted(account.namespaces)) if account else "",
        )
        hint = _("Set HF_TOKEN to a token that may write there ({url}).").format(url=_TOKENS)
        return AccessError(message, side="destination", hint=hint)

    @property
    def _host(self) -> str:
        return self._wire.client.host

    async def _get(self, url: str) -> Answer:
        return await asked(self._wire, url)


def _remarks(told: dict[str, Any]) -> Iterator[Finding]:
    for one in _list(told.get("warnings")):
        message = _("the destination remarks on {path}: {said}")
        yield warning("card", message.format(path=cards.NAME, said=_message(one)[:300]), cards.NAME)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _message(value: Any) -> str:
    said = value.get("message") if isinstance(value, dict) else value
    return " ".join(str(said).split())
