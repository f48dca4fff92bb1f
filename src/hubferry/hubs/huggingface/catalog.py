"""Look at a Hugging Face server: what an owner has, what a repository's record says, who asks.

Wire facts: huggingface_hub 2.4.0, hf_api.py `list_models`, `list_datasets` (`author`, `limit`, `expand`; the
next page is in the Link header), `model_info`, `auth_check`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hubferry.catalog import Owned, Repository, moment_of
from hubferry.errors import GatedError, HubferryError, NetworkError, NotFoundError
from hubferry.hubs.http.client import Request
from hubferry.hubs.http.mistaken import not_understood
from hubferry.hubs.huggingface.accounts import account_behind
from hubferry.hubs.huggingface.listing import next_page
from hubferry.hubs.huggingface.references import history_of, references_of
from hubferry.hubs.huggingface.source import HuggingFaceSource, license_of
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.catalog import Account, PastCommit, References
    from hubferry.model import RepoFile, RepoRef, Revision

_A_PAGE = 1000
_MOST_REPOSITORIES = 200_000
_WANTED = ("lastModified", "createdAt", "private", "gated", "tags")
_TASK = "task_categories:"


class HuggingFaceCatalog:
    """A Hugging Face server that is looked at."""

    def __init__(self, source: HuggingFaceSource) -> None:
        """Look by the connections and the login of `source`, which is closed with this."""
        self._source = source
        self._wire = source.wire

    @property
    def endpoint(self) -> str:
        """Where the server is."""
        return self._wire.client.endpoint

    async def repository(self, ref: RepoRef) -> Repository:
        """Describe a repository at a revision; see `Catalog.repository`."""
        revision, record = await self._source.record(ref)
        return _described(ref, record, revision)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List a revision; see `Source.files`."""
        return await self._source.files(revision)

    async def owned(self, owner: RepoRef) -> Owned:
        """List an owner's repositories, page by page; see `Catalog.owned`.

        Raises:
            NetworkError: The list makes no sense, or never ends.
        """
        wanted = (*_WANTED, "pipeline_tag") if owner.repo_type == "model" else _WANTED  # else it is refused
        asked = "".join(f"&expand={name}" for name in wanted)
        client = self._wire.client
        url: str | None = (
            f"{client.endpoint}/api/{owner.repo_type}s?author={quote(owner.repo_id)}&limit={_A_PAGE}{asked}"
        )
        found: dict[str, Repository] = {}
        seen: set[str] = set()
        while url is not None:
            if url in seen or len(found) > _MOST_REPOSITORIES:
                message = _("The listing of {name} never ends.").format(name=owner.repo_id)
                raise NetworkError(message, side=client.side)
            seen.add(url)
            answer = await self._wire.get(owner, url)
            page = answer.json()
            if not isinstance(page, list):
                raise not_understood(answer, host=client.host, side=client.side)
            found |= {one.ref.repo_id: one for one in (_listed(owner, entry) for entry in page) if one}
            url = next_page(self._wire, answer)
        return Owned(owner, tuple(found[name] for name in sorted(found)))

    async def references(self, ref: RepoRef) -> References:
        """List branches and tags; see `Catalog.references`."""
        return await references_of(self._wire, ref)

    async def history(
        self, ref: RepoRef, wanted: frozenset[str], *, any_of: bool = False
    ) -> tuple[PastCommit, ...] | None:
        """Walk the commits; see `Catalog.history`. Lesser servers have no question for it."""
        try:
            return await history_of(self._wire, ref, wanted, any_of=any_of)
        except NotFoundError:
            return None

    async def terms(self, ref: RepoRef) -> GatedError | None:
        """Ask whether this account has accepted the terms; see `Catalog.terms`."""
        try:
            await self._wire.get(ref, self._wire.api(ref, "/auth-check"))
        except GatedError as error:
            return error
        except HubferryError as error:
            if error.retryable:
                raise
        return None

    async def account(self) -> Account | None:
        """Return whose token it is; see `Catalog.account`."""
        return None if self._wire.client.token is None else await account_behind(self._wire)

    async def reach(self) -> None:
        """Return when the server has answered; see `Catalog.reach`."""
        client = self._wire.client
        await client.ask(Request("HEAD", f"{client.endpoint}/api/models?limit=1", {}), follow=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()


def _listed(owner: RepoRef, entry: Any) -> Repository | None:
    """Make a repository of one entry; None for one that is not the owner's, or none at all."""
    name = (entry.get("id") or entry.get("modelId")) if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.lower().startswith(f"{owner.repo_id.lower()}/"):
        return None
    return _described(replace(owner, repo_id=name, revision=None), entry)


def _described(ref: RepoRef, record: dict[str, Any], revision: Revision | None = None) -> Repository:
    private, gated, tags = record.get("private"), record.get("gated"), record.get("tags")
    words = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Repository(
        ref,
        revision,
        private=private if isinstance(private, bool) else None,
        gated=None if gated is None else bool(gated),
        license=license_of(record),
        changed=moment_of(record.get("lastModified")),
        created=moment_of(record.get("createdAt")),
        tags=words,
        pipeline=_task(record, words),
    )


def _task(record: dict[str, Any], tags: tuple[str, ...]) -> str | None:
    """Return the task of a model; of a dataset the first of its task categories, which are tags."""
    said = record.get("pipeline_tag")
    if isinstance(said, str) and said:
        return said
    return next((tag.removeprefix(_TASK) for tag in tags if tag.startswith(_TASK)), None)
