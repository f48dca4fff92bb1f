"""Pull requests at a Hugging Face server.

Wire facts: huggingface_hub 2.4.0, hf_api.py `get_repo_discussions` (pages by `p`), `create_discussion`
(`pullRequest`: a draft, whose commits go to refs/pr/NUMBER), `change_discussion_status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from hubferry.beside import PullRequest
from hubferry.errors import NetworkError
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.huggingface import refusals
from hubferry.hubs.huggingface.accounts import account_behind
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.hubs.huggingface.source import HuggingFaceSource
    from hubferry.model import RepoRef

_MOST_PAGES = 20
"""Pages of one account's open pull requests that are looked through for ours."""


class HuggingFacePullRequests:
    """Open pull requests at a Hugging Face server; see `PullRequests`."""

    def __init__(self, source: HuggingFaceSource) -> None:
        """Ask by the connections and the login of `source`, which is closed with this."""
        self._source = source
        self._wire = source.wire

    async def find(self, ref: RepoRef, title: str) -> PullRequest | None:
        """Return this account's open pull request of that title, the newest of several."""
        account = await account_behind(self._wire)
        if account is None:
            return None
        for page in range(_MOST_PAGES):
            asked = {"p": page, "type": "pull_request", "status": "open", "author": account.name}
            answer = await self._wire.get(ref, self._wire.api(ref, f"/discussions?{urlencode(asked)}"))
            told = self._wire.understood(answer)
            entries = told.get("discussions") if isinstance(told, dict) else None
            found = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
            for one in found:
                if one.get("title") == title and one.get("isPullRequest") and isinstance(one.get("num"), int):
                    return self._described(ref, one["num"], draft=one.get("status") == "draft")
            if not found:
                break
        return None

    async def open(self, ref: RepoRef, title: str, description: str) -> PullRequest:
        """Open a draft; its commits are yet to come."""
        wish = {"title": title, "description": description, "pullRequest": True}
        made = self._wire.understood(await self._post(ref, "/discussions", wish))
        number = made.get("num") if isinstance(made, dict) else None
        if not isinstance(number, int):
            message = _("{host} did not say whether it opened the pull request.")
            raise NetworkError(message.format(host=self._wire.client.host), side="destination")
        return self._described(ref, number, draft=True)

    async def publish(self, ref: RepoRef, number: int) -> None:
        """Show a draft as open."""
        await self._post(ref, f"/discussions/{number}/status", {"status": "open"})

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()

    async def _post(self, ref: RepoRef, rest: str, value: Any) -> Any:
        url = self._wire.api(ref, rest)
        request = Request("POST", url, {"Content-Type": "application/json"}, json_body(value))
        return await refusals.checked(self._wire, ref, await self._wire.client.ask(request))

    def _described(self, ref: RepoRef, number: int, *, draft: bool) -> PullRequest:
        return PullRequest(number, self._wire.page(ref, f"/discussions/{number}"), draft)
