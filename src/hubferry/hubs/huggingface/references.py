"""Branches, tags and history at a Hugging Face server.

Wire facts: huggingface_hub 2.4.0, hf_api.py `list_repo_refs` (`branches`, `tags`, `converts`, each entry with
`name` and `targetCommit`), `list_repo_commits` (pages by the Link header, newest first), `create_tag`,
`create_branch` (`startingPoint`), `delete_branch`; 409 is a name that is there. Which branch is the default
one is not said: it is `main`, and `master` at servers that have no `main`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hubferry.catalog import PastCommit, Reference, References, moment_of
from hubferry.errors import AccessError, ConflictError, NetworkError
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.http.mistaken import not_understood
from hubferry.hubs.huggingface import refusals
from hubferry.hubs.huggingface.listing import next_page
from hubferry.hubs.huggingface.wire import quoted_revision
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.huggingface.source import HuggingFaceSource
    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.model import RepoRef

_DEFAULTS = ("main", "master")
MOST_COMMITS = 100_000
"""Commits that a history may have: a page of a thousand, a hundred times."""


async def references_of(wire: Wire, ref: RepoRef) -> References:
    """List branches and tags; see `Catalog.references`."""
    answer = await wire.get(ref, wire.api(ref, "/refs"))
    listed = answer.json()
    if not isinstance(listed, dict) or not isinstance(listed.get("branches"), list):
        raise not_understood(answer, host=wire.client.host, side=wire.client.side)
    branches, tags = _named(listed["branches"]), _named(listed.get("tags"))
    names = [branch.name for branch in branches]
    default = next((name for name in _DEFAULTS if name in names), names[0] if names else _DEFAULTS[0])
    return References(default, branches, tags)


def _named(entries: Any) -> tuple[Reference, ...]:
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        name, commit = (entry.get("name"), entry.get("targetCommit")) if isinstance(entry, dict) else ("", "")
        if isinstance(name, str) and name:
            found[name] = Reference(name, commit if isinstance(commit, str) and commit else None)
    return tuple(found[name] for name in sorted(found))


async def history_of(
    wire: Wire, ref: RepoRef, wanted: frozenset[str], *, any_of: bool = False
) -> tuple[PastCommit, ...]:
    """Walk the commits up to a revision, newest first; see `Catalog.history`."""
    url: str | None = wire.api(ref, f"/commits/{quoted_revision(ref.revision or _DEFAULTS[0])}")
    found: dict[str, PastCommit] = {}

    def is_enough() -> bool:
        came = wanted & found.keys()
        return bool(found) and (len(came) == len(wanted) or (any_of and bool(came)))

    while url is not None and not is_enough():
        answer = await wire.get(ref, url)
        page, before = answer.json(), len(found)
        if not isinstance(page, list):
            raise not_understood(answer, host=wire.client.host, side=wire.client.side)
        for entry in page:
            commit = entry.get("id") if isinstance(entry, dict) else None
            if isinstance(commit, str) and commit:
                found.setdefault(commit, PastCommit(commit, moment_of(entry.get("date"))))
        url = next_page(wire, answer)
        if url is not None and (len(found) == before or len(found) > MOST_COMMITS):
            message = _("The history of {name} never ends.").format(name=ref.repo_id)
            raise NetworkError(message, side=wire.client.side)
    return tuple(found.values())


class HuggingFaceReferences:
    """Make tags and branches at a Hugging Face server; see `ReferenceWriter`."""

    makes_branches = True
    says_commits = True

    def __init__(self, source: HuggingFaceSource) -> None:
        """Write by the connections and the login of `source`, which is closed with this."""
        self._source = source
        self._wire = source.wire

    async def tag(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a tag without a message: one that points to the commit itself."""
        answer = await self._post(ref, f"/tag/{quoted_revision(commit)}", {"tag": name})
        await self._checked(ref, answer, name)

    async def branch(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a branch."""
        answer = await self._post(ref, f"/branch/{quoted_revision(name)}", {"startingPoint": commit})
        await self._checked(ref, answer, name)

    async def remove_branch(self, ref: RepoRef, name: str) -> None:
        """Remove a branch."""
        self._need_token()
        url = self._wire.api(ref, f"/branch/{quoted_revision(name)}")
        answer = await self._wire.client.ask(Request("DELETE", url, {}))
        if answer.status != HTTPStatus.NOT_FOUND:
            await refusals.checked(self._wire, ref, answer)

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()

    async def _post(self, ref: RepoRef, rest: str, value: Any) -> Answer:
        self._need_token()
        request = Request(
            "POST", self._wire.api(ref, rest), {"Content-Type": "application/json"}, json_body(value)
        )
        return await self._wire.client.ask(request)

    async def _checked(self, ref: RepoRef, answer: Answer, name: str) -> None:
        if answer.status == HTTPStatus.CONFLICT:
            message = _("{host}: {name} is there already").format(host=self._wire.client.host, name=name)
            raise ConflictError(message, side="destination")
        await refusals.checked(self._wire, ref, answer)

    def _need_token(self) -> None:
        """Raise before a question that cannot succeed."""
        if self._wire.client.token is None:
            raise AccessError(
                _("Writing to {host} needs a token.").format(host=self._wire.client.host),
                side="destination",
                hint=_("Set HF_TOKEN to a token that may write there ({url}).").format(
                    url="https://huggingface.co/settings/tokens"
                ),
            )
