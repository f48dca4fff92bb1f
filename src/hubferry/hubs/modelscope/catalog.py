"""Look at a ModelScope server: what an owner has, what a repository's record says, who asks.

Wire facts: modelscope_hub 0.5.1, _openapi.py `list_models`, `list_datasets` (`owner`, `page_number`,
`page_size`; the product of the two may not exceed 3,000), and for the spellings api.py `_extract_paged`,
`_repo_info_from_payload`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from hubferry.catalog import Account, Owned, Repository, moment_of
from hubferry.errors import NetworkError, NotFoundError
from hubferry.hubs.account import MODELSCOPE_NAME, name_in
from hubferry.hubs.http.client import Request
from hubferry.hubs.modelscope.references import references_of
from hubferry.i18n import _
from hubferry.model import RepoRef

if TYPE_CHECKING:
    from hubferry.catalog import PastCommit, References
    from hubferry.errors import GatedError
    from hubferry.hubs.modelscope.source import ModelScopeSource
    from hubferry.hubs.modelscope.wire import Wire
    from hubferry.model import RepoFile, Revision

_A_PAGE = 100
_LISTABLE = 3000
"""Entries that pages reach; the client refuses to ask further."""
_PUBLIC = 5
_GATED = 1
_NAMES = ("id", "ModelId", "model_id", "Id")
_OWNERS = ("owner", "Path", "Owner")
_CHANGED = ("last_modified", "updated_at", "LastUpdatedTime", "LastUpdatedDate", "UpdatedAt", "LastModified")
_TASKS = ("tasks", "Tasks", "task", "Task", "pipeline_tag")
_CREATED = ("created_at", "CreatedTime", "CreatedAt")


class ModelScopeCatalog:
    """A ModelScope server that is looked at."""

    def __init__(self, source: ModelScopeSource) -> None:
        """Look by the connections and the login of `source`, which is closed with this."""
        self._source = source
        self._wire: Wire = source.wire

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

        A server may give fewer a page than asked for; the total that it names says when all are there.
        """
        found: dict[str, Repository] = {}
        total: int | None = None
        for page in range(1, _LISTABLE // _A_PAGE + 1):
            entries, total = await self._page(owner, page)
            before = len(found)
            found |= {one.ref.repo_id: one for one in (_listed(owner, entry) for entry in entries) if one}
            if not entries or len(found) == before or (total is not None and len(found) >= total):
                break
        return Owned(owner, tuple(found[name] for name in sorted(found)), total)

    async def _page(self, owner: RepoRef, number: int) -> tuple[list[Any], int | None]:
        query = urlencode({"owner": owner.repo_id, "page_number": number, "page_size": _A_PAGE})
        client = self._wire.client
        url = f"{client.endpoint}/openapi/v1/{owner.repo_type}s?{query}"
        answer = self._wire.checked(owner, await client.ask(Request("GET", url, {"Accept-Encoding": "gzip"})))
        body = answer.json()
        data = body.get("data", body.get("Data", body)) if isinstance(body, dict) else body
        entries = data if isinstance(data, list) else _first(data, ("models", "datasets", "items", "Models"))
        if not isinstance(entries, list):
            message = _("{host} gave no listing of {name}.").format(host=client.host, name=owner.repo_id)
            raise NetworkError(message, side=client.side)
        total = _first(data, ("total_count", "TotalCount", "total"))
        return entries, total if isinstance(total, int) else None

    async def references(self, ref: RepoRef) -> References:
        """List branches and tags; see `Catalog.references`."""
        return await references_of(self._wire, ref)

    async def history(
        self, ref: RepoRef, wanted: frozenset[str], *, any_of: bool = False
    ) -> tuple[PastCommit, ...] | None:
        """Return None: no call of this hub lists commits."""
        del ref, wanted, any_of
        return None

    async def terms(self, ref: RepoRef) -> GatedError | None:
        """Return None: no call of this hub says beforehand who may download."""
        del ref
        return None

    async def account(self) -> Account | None:
        """Return whose token it is; see `Catalog.account`. The hub names no roles."""
        client = self._wire.client
        if client.token is None:
            return None
        url = f"{client.endpoint}{MODELSCOPE_NAME}"
        answer = await client.ask(Request("GET", url, {"Accept": "application/json"}))
        try:
            name = name_in(self._wire.checked(RepoRef("ms", "account"), answer).json())
        except NotFoundError:
            return None
        return None if name is None else Account(name)

    async def reach(self) -> None:
        """Return when the server has answered; see `Catalog.reach`."""
        client = self._wire.client
        await client.ask(
            Request("HEAD", f"{client.endpoint}/openapi/v1/models?page_size=1", {}), follow=False
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()


def _listed(owner: RepoRef, entry: Any) -> Repository | None:
    """Make a repository of one entry; None for one that is not the owner's, or none at all."""
    if not isinstance(entry, dict):
        return None
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str) and "/" in entry[key]), None)
    short = _first(entry, ("name", "Name"))
    if name is None and isinstance(short, str) and short:
        name = f"{_first(entry, _OWNERS) or owner.repo_id}/{short}"
    if name is None or name.partition("/")[0].lower() != owner.repo_id.lower():
        return None
    return _described(replace(owner, repo_id=name, revision=None), entry)


def _described(ref: RepoRef, record: dict[str, Any], revision: Revision | None = None) -> Repository:
    license_ = _first(record, ("license", "License"))
    tags = _first(record, ("tags", "Tags"))
    return Repository(
        ref,
        revision,
        private=_private(record),
        gated=_gated(record),
        license=license_.strip() if isinstance(license_, str) and license_.strip() else None,
        changed=moment_of(_first(record, _CHANGED)),
        created=moment_of(_first(record, _CREATED)),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        pipeline=_task(record),
    )


def _task(record: dict[str, Any]) -> str | None:
    """Return the first task: a word, or an entry with a name, in a list or alone."""
    said = _first(record, _TASKS)
    first = next(iter(said), None) if isinstance(said, list) else said
    named = _first(first, ("Name", "name")) if isinstance(first, dict) else first
    return named if isinstance(named, str) and named else None


def _private(record: dict[str, Any]) -> bool | None:
    said = record.get("private")
    if isinstance(said, bool):
        return said
    visibility = _first(record, ("visibility", "Visibility"))
    if isinstance(visibility, str) and not visibility.isdecimal():
        return visibility.lower() != "public"
    return int(visibility) != _PUBLIC if isinstance(visibility, (int, str)) else None


def _gated(record: dict[str, Any]) -> bool | None:
    said, mode = record.get("gated"), record.get("ProtectedMode")
    if isinstance(said, bool):
        return said
    return mode == _GATED if isinstance(mode, int) else None


def _first(record: Any, keys: tuple[str, ...]) -> Any:
    """Return the first of these values that an answer has: its spellings have changed over time."""
    found = (record[key] for key in keys if isinstance(record, dict) and record.get(key) is not None)
    return next(found, None)
