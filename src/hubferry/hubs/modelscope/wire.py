"""The ModelScope dialect: addresses, logins, its envelope, and what its codes mean.

Wire facts: modelscope_hub 0.5.1, _legacy_api.py and errors.py (`raise_for_status`).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from hubferry.errors import AccessError, HubferryError, NetworkError, NotFoundError
from hubferry.hubs.http import mistaken
from hubferry.hubs.http.answers import LARGEST_LISTING, Answer, failure
from hubferry.hubs.http.client import HubClient, Request
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.model import RepoRef

DEFAULT_BRANCH = "master"
_BAD_LOGIN = 10010103009
_NOT_LOGGED_IN = ("not logged in", "未登录", "please login", "invalid token", "access token")
_ABSENT = ("not exist", "not found", "不存在", "no such", "does not have")
_CONTENT = ("blob", "lfs", "object", "sha256")
_DENIED = ("access denied", "no permission", "not allowed", "forbidden", "无权限", "没有权限")
_CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True, slots=True)
class Wire:
    """One ModelScope server, asked as one side of a copy."""

    client: HubClient

    def api(self, ref: RepoRef, rest: str = "", **query: str) -> str:
        """Return the address of a repository's API; `rest` is already quoted."""
        asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"{self.client.endpoint}/api/v1/{ref.repo_type}s/{quote(ref.repo_id)}{rest}{asked}"

    def repos(self, ref: RepoRef, rest: str) -> str:
        """Return the address of what git and LFS clients use; `rest` is already quoted."""
        return f"{self.client.endpoint}/api/v1/repos/{ref.repo_type}s/{quote(ref.repo_id)}{rest}"

    async def get(self, ref: RepoRef, url: str) -> Any:
        """Ask, and return the envelope's `Data`.

        Raises:
            HubferryError: A refusal, by status or by envelope, as the error it stands for.
        """
        request = Request("GET", url, {"Accept-Encoding": "gzip"}, most=LARGEST_LISTING)
        return self.opened(ref, await self.client.ask(request))

    def opened(self, ref: RepoRef, answer: Answer) -> Any:
        """Return what is in the envelope; without one, the body itself."""
        self.checked(ref, answer)
        body = answer.json()
        if not isinstance(body, dict):
            raise mistaken.not_understood(answer, host=self.client.host, side=self.client.side)
        return body.get("Data") if "Data" in body else body

    def checked(self, ref: RepoRef, answer: Answer, path: str | None = None) -> Answer:
        """Return `answer` if its status and its envelope say success, else raise what it stands for."""
        if answer.ok and not refused(answer.json()):
            return answer
        error = self.explained(ref, answer)
        error.path = path
        raise error

    def explained(self, ref: RepoRef, answer: Answer) -> HubferryError:
        """Make an error of a refusal: by code and words first, by status where those say nothing."""
        said = answer.text()
        words, number = said.lower(), code(answer.json())
        own = answer.ok or answer.status in _CLIENT_ERRORS
        if own and (
            number == _BAD_LOGIN or answer.status == HTTPStatus.UNAUTHORIZED or _has(words, _NOT_LOGGED_IN)
        ):
            return self.access(_("{host} does not accept the login: {said}"), said)
        if own and (HTTPStatus.FORBIDDEN in (answer.status, number) or _has(words, _DENIED)):
            return self.access(_("{host} denies access: {said}"), said)
        if own and (HTTPStatus.NOT_FOUND in (answer.status, number) or _is_absence(words)):
            return self.missing(ref)
        if answer.ok:
            # A success by status that its envelope denies: nothing says that it is for good.
            return NetworkError(
                _("{host} could not do it: {said}").format(host=self.client.host, said=said),
                side=self.client.side,
            )
        return failure(answer, host=self.client.host, side=self.client.side)

    def missing(self, ref: RepoRef) -> NotFoundError:
        """Say that there is no such repository or revision; a private one looks the same to a stranger."""
        what = f"{ref.repo_id}@{ref.revision}" if ref.revision else ref.repo_id
        if self.client.token is None:
            hint = _("If it is private, set MODELSCOPE_API_TOKEN to a token from {url}").format(
                url=self.token_page
            )
        else:
            hint = _("Check the name; if it is private, check that the token in use may read it.")
        return NotFoundError(
            _("{host} has no repository {name}.").format(host=self.client.host, name=what),
            side=self.client.side,
            hint=hint,
        )

    def access(self, message: str, said: str) -> AccessError:
        """Say that the token is missing, wrong or too weak, and where to get one."""
        return AccessError(
            message.format(host=self.client.host, said=said or "?"),
            side=self.client.side,
            hint=_("Set MODELSCOPE_API_TOKEN to a token from {url}").format(url=self.token_page),
        )

    @property
    def token_page(self) -> str:
        """Where this site's accounts find their tokens."""
        host = urlsplit(self.client.endpoint).hostname or ""
        site = "www.modelscope.ai" if host.endswith("modelscope.ai") else "modelscope.cn"
        return f"https://{site}/my/myaccesstoken"


def login(token: str) -> Mapping[str, str]:
    """Return the headers that show a token: older endpoints look at the cookie, newer ones at the bearer."""
    return {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"}


def code(body: Any) -> int | None:
    """Return the number in an envelope, None without one."""
    raw = body.get("Code", body.get("code")) if isinstance(body, dict) else None
    try:
        return int(raw) if raw is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def refused(body: Any) -> bool:
    """Return whether an envelope says that it failed, whatever the HTTP status."""
    if not isinstance(body, dict):
        return False
    return body.get("Success", body.get("success")) is False or code(body) not in (None, 0, 200)


def _is_absence(words: str) -> bool:
    """Return whether a refusal is about a repository that is not there, rather than a blob of a commit."""
    return _has(words, _ABSENT) and not _has(words, _CONTENT)


def _has(words: str, signs: tuple[str, ...]) -> bool:
    return any(sign in words for sign in signs)
