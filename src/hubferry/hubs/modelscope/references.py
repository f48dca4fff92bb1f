"""Branches and tags at a ModelScope server, which says their names, and not their commits.

Wire facts: modelscope_hub 0.5.1, _legacy_api.py `list_revisions_detail` (`RevisionMap` with `Branches` and
`Tags`, each with `Revision` and `CreatedAt`) and `create_tag` (`TagName`, `Ref`, a branch by default).
No call of it makes a branch, removes or moves a name, or lists commits.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hubferry.catalog import Reference, References, moment_of
from hubferry.errors import AccessError, ConflictError, HubferryError, NetworkError, UsageError
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.modelscope import refusals
from hubferry.hubs.modelscope.wire import DEFAULT_BRANCH, refused
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.modelscope.source import ModelScopeSource
    from hubferry.hubs.modelscope.wire import Wire
    from hubferry.model import RepoRef

_EXISTS_WORDS = ("already", "exists", "已存在")


async def references_of(wire: Wire, ref: RepoRef) -> References:
    """List branches and tags; see `Catalog.references`.

    Raises:
        NetworkError: The answer has no such list.
    """
    data = await wire.get(ref, wire.api(ref, "/revisions"))
    listed = data.get("RevisionMap") if isinstance(data, dict) else None
    if not isinstance(listed, dict):
        message = _("{host} gave no list of the branches and tags of {name}.")
        raise NetworkError(
            message.format(host=wire.client.host, name=ref.repo_id), side=wire.client.side
        )  # a web page, or an envelope of another service: nothing says that there are none
    return References(DEFAULT_BRANCH, _named(listed.get("Branches")), _named(listed.get("Tags")))


def _named(entries: Any) -> tuple[Reference, ...]:
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        name = entry.get("Revision") if isinstance(entry, dict) else None
        if isinstance(name, str) and name:
            found[name] = Reference(name, created=moment_of(entry.get("CreatedAt")))
    return tuple(found[name] for name in sorted(found))


class ModelScopeReferences:
    """Make tags at a ModelScope server; see `ReferenceWriter`."""

    makes_branches = False
    says_commits = False

    def __init__(self, source: ModelScopeSource) -> None:
        """Write by the connections and the login of `source`, which is closed with this."""
        self._source = source
        self._wire = source.wire

    async def tag(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a tag at a commit, or where the hub does not take it, at the branch as it is now.

        Whether it takes commits is not documented; what the tag shows has to be seen afterwards in any case.
        """
        if self._wire.client.token is None:
            raise AccessError(
                _("Writing to {host} needs a token.").format(host=self._wire.client.host),
                side="destination",
                hint=_("Set MODELSCOPE_API_TOKEN to a token from {url}").format(url=self._wire.token_page),
            )
        branch = ref.revision or DEFAULT_BRANCH
        try:
            await self._make(ref, name, commit)
        except (AccessError, NetworkError):
            raise
        except HubferryError:
            if commit == branch:
                raise
            await self._make(ref, name, branch)

    async def _make(self, ref: RepoRef, name: str, at: str) -> None:
        body = json_body({"TagName": name, "Ref": at})
        url = self._wire.api(ref, "/repo/tag")
        answer = await self._wire.client.ask(Request("POST", url, {"Content-Type": "application/json"}, body))
        if _says_exists(answer):
            message = _("{host}: {name} is there already").format(host=self._wire.client.host, name=name)
            raise ConflictError(message, side="destination")
        await refusals.checked(self._wire, ref, answer)

    async def branch(self, ref: RepoRef, name: str, commit: str) -> None:
        """Refuse: there is no call for it."""
        del ref, commit
        message = _("{host} has no call that makes the branch {name}")
        raise UsageError(message.format(host=self._wire.client.host, name=name), side="destination")

    async def remove_branch(self, ref: RepoRef, name: str) -> None:
        """Do nothing: what cannot be made is never there."""

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()


def _says_exists(answer: Answer) -> bool:
    """Return whether a tag was refused because there is one of that name; in which words is not known."""
    if answer.status == HTTPStatus.CONFLICT:
        return True
    denied = refused(answer.json()) and (answer.ok or answer.status == HTTPStatus.BAD_REQUEST)
    return denied and any(word in answer.text().lower() for word in _EXISTS_WORDS)
