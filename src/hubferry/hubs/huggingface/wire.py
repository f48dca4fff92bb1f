"""The Hugging Face dialect: addresses, logins, and what its error codes mean.

Wire facts: huggingface_hub 2.4.0, hf_api.py and utils/_http.py (`hf_raise_for_status`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hubferry.errors import AccessError, GatedError, HubferryError, NotFoundError, Side
from hubferry.hubs.http import mistaken
from hubferry.hubs.http.answers import LARGEST_LISTING, Answer, failure
from hubferry.hubs.http.client import HubClient, Request
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.model import RepoRef

_UNAUTHORIZED = 401
_NOT_FOUND = 404
_TOKENS = "https://huggingface.co/settings/tokens"


@dataclass(frozen=True, slots=True)
class Wire:
    """One Hugging Face server, asked as one side of a copy."""

    client: HubClient

    def api(self, ref: RepoRef, rest: str = "") -> str:
        """Return the address of a repository's API; `rest` is already quoted."""
        return f"{self.client.endpoint}/api/{ref.repo_type}s/{quoted(ref.repo_id)}{rest}"

    def page(self, ref: RepoRef, rest: str = "") -> str:
        """Return the address where people, git and downloads find it; `rest` is already quoted."""
        kind = "datasets/" if ref.repo_type == "dataset" else ""
        return f"{self.client.endpoint}/{kind}{quoted(ref.repo_id)}{rest}"

    async def get(self, ref: RepoRef, url: str) -> Answer:
        """Ask for JSON.

        Raises:
            HubferryError: Any answer that is not a success, as the error it stands for.
        """
        answer = await self.client.ask(Request("GET", url, {"Accept-Encoding": "gzip"}, most=LARGEST_LISTING))
        return self.checked(ref, answer)

    def checked(self, ref: RepoRef, answer: Answer, path: str | None = None) -> Answer:
        """Return `answer` if it is a success, else raise what it stands for."""
        if answer.ok:
            return answer
        error = self.explained(ref, answer)
        error.path = path
        raise error

    def understood(self, answer: Answer) -> Any:
        """Return the JSON of an answer, which must be an object or a list."""
        value = answer.json()
        if not isinstance(value, (dict, list)):
            raise mistaken.not_understood(answer, host=self.client.host, side=self.client.side)
        return value

    def explained(self, ref: RepoRef, answer: Answer) -> HubferryError:
        """Make an error of a refusal: by X-Error-Code first, by status where there is none."""
        code = answer.headers.get("X-Error-Code")
        side = self.client.side
        if code == "GatedRepo":
            return self.gated(ref)
        if code == "RevisionNotFound":
            return NotFoundError(
                _("{name} has no revision {revision}.").format(
                    name=ref.repo_id, revision=ref.revision or "main"
                ),
                side=side,
                hint=_("Its branches and tags are listed at {url}").format(url=self.page(ref, "/tree/main")),
            )
        if code == "EntryNotFound":
            return NotFoundError(_("{name} has no such file any more.").format(name=ref.repo_id), side=side)
        if code == "RepoNotFound" or (answer.status == _NOT_FOUND and code is None):
            return self.missing(ref)
        if answer.status == _UNAUTHORIZED and self.client.token is None:
            return self.missing(ref)
        error = failure(answer, host=self.client.host, side=side)
        if isinstance(error, AccessError):
            error.hint = self._token_hint(side)
        return error

    def missing(self, ref: RepoRef) -> NotFoundError:
        """Say that there is no such repository; a private one looks the same to a stranger."""
        if self.client.token is None:
            hint = _("If it is private, set HF_TOKEN to a token that may read it ({url}).").format(
                url=_TOKENS
            )
        else:
            hint = _("Check the name; if it is private, check that the token in use may read it.")
        return NotFoundError(
            _("{host} has no repository {name}.").format(host=self.client.host, name=ref.repo_id),
            side=self.client.side,
            hint=hint,
        )

    def gated(self, ref: RepoRef) -> GatedError:
        """Say where the terms are to be accepted, and that a token must show who did."""
        return GatedError(
            _("{name} is gated: its terms have to be accepted first.").format(name=ref.repo_id),
            side=self.client.side,
            hint=_("Accept them at {page} and set HF_TOKEN to a token of that account.").format(
                page=self.page(ref)
            ),
        )

    def _token_hint(self, side: Side) -> str:
        if side == "destination":
            return _("Set HF_TOKEN to a token that may write there ({url}).").format(url=_TOKENS)
        return _("Set HF_TOKEN to a token that may read it ({url}).").format(url=_TOKENS)


def login(token: str) -> Mapping[str, str]:
    """Return the headers that show a token."""
    return {"Authorization": f"Bearer {token}"}


def quoted(path: str) -> str:
    """Quote a path for an address; its slashes stay."""
    return quote(path, safe="/")


def quoted_revision(revision: str) -> str:
    """Quote a revision for an address; slashes go too, as in `refs%2Fpr%2F1`."""
    return quote(revision, safe="")
