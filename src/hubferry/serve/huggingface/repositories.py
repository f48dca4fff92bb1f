"""Repositories in the Hugging Face dialect: create, describe, find, change, delete."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry import cards
from hubferry.serve.attributes import ATTRIBUTES, initial_attributes
from hubferry.serve.committing import shown_commit
from hubferry.serve.exchange import flag, json_answer, read_json
from hubferry.serve.hub import account_of, hub_of, repository_of, writable_repository_of
from hubferry.serve.huggingface.entries import sibling
from hubferry.serve.huggingface.routes import REPO, iso_time, page_answer, web_address, window
from hubferry.serve.reading import card_of
from hubferry.serve.records import Put
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from hubferry.serve.hub import Hub
    from hubferry.serve.records import RepositoryRecord
    from hubferry.serve.repository import Repository

routes = web.RouteTableDef()
_REPOSITORIES_A_PAGE = 1_000
_ALWAYS = frozenset({"_id", "id", "modelId"})
_EXPANDABLE = frozenset([
    "author", "cardData", "createdAt", "disabled", "downloads", "downloadsAllTime", "gated", "lastModified",
    "likes", "private", "resourceGroup", "sha", "siblings", "tags", "trendingScore", "usedStorage"
])  # fmt: skip
"""What a list may be asked for of each repository (huggingface_hub.hf_api `ExpandModelProperty_T`, ...)."""
_OF_MODELS = frozenset([
    "baseModels", "childrenModelCount", "config", "evalResults", "gguf", "inference",
    "inferenceProviderMapping", "library_name", "mask_token", "model-index", "pipeline_tag", "safetensors",
    "spaces", "transformersInfo", "widgetData"
])  # fmt: skip
_OF_DATASETS = frozenset({"citation", "description", "mainSize", "paperswithcode_id"})
_NAME = re.compile(r"\w(?:[\w.-]{0,94}\w)?", re.ASCII)
_NAME_RULES = (
    "Only regular characters and '-', '_', '.' are accepted. '--' and '..' are forbidden. '-' and '.' cannot "
    'start or end the name. The name cannot end with ".git". Max length is 96.'
)


class Creation(msgspec.Struct, frozen=True):
    """The body of `POST /api/repos/create` and of `DELETE /api/repos/delete`."""

    name: str
    organization: str | None = None
    type: str | None = "model"
    private: bool | None = None
    visibility: str | None = None
    license: str | None = None

    @property
    def kind(self) -> str:
        """The repository type, a model when unsaid."""
        return self.type or "model"

    @property
    def hidden(self) -> bool:
        """Whether the repository is to be private."""
        return bool(self.private) or self.visibility in ("private", "protected")

    def full_name(self, user: str) -> str:
        """Return `owner/name`; the owner is the user when nobody else is named."""
        return self.name if "/" in self.name else f"{self.organization or user}/{self.name}"


class Settings(msgspec.Struct, frozen=True):
    """The body of `PUT .../settings`; what is unset stays."""

    private: bool | None = None
    visibility: str | None = None
    gated: Literal["auto", "manual", False] | None = None


@routes.post("/api/repos/create", name="hf:create")
async def create(request: web.Request) -> web.Response:
    """Make an empty repository; 409 with its `url` when it is there."""
    hub = hub_of(request)
    account = hub.policy.require_account(account_of(request))
    wish = await read_json(request, Creation)
    repo_id = wish.full_name(account.name)
    hub.policy.require_creation(account, repo_id, wish.kind)
    if hub.strict.names:
        check_name(repo_id)
    repository = await asyncio.to_thread(_created, hub, repo_id, wish, account.name)
    return json_answer(
        {"url": web_address(request, repository), "name": repo_id, "id": repo_id, "private": wish.hidden}
    )


def _created(hub: Hub, repo_id: str, wish: Creation, author: str) -> Repository:
    initial = []
    if hub.strict.attributes:
        initial.append(Put(ATTRIBUTES, hub.store.blobs.put(initial_attributes(wish.kind)), lfs=False))
    return hub.store.create(
        repo_id, wish.kind, private=wish.hidden, license=wish.license, initial=initial, author=author
    )


def check_name(repo_id: str) -> None:
    """Refuse what the real hub takes for no name (huggingface_hub.utils.validate_repo_id says the same)."""
    name = repo_id.rpartition("/")[2]
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise Refusal(Reason.INVALID, _NAME_RULES)


@routes.delete("/api/repos/delete", name="hf:delete")
async def delete(request: web.Request) -> web.Response:
    """Remove a repository."""
    hub = hub_of(request)
    account = hub.policy.require_account(account_of(request))
    wish = await read_json(request, Creation)
    repo_id = wish.full_name(account.name)
    hub.policy.require_write(account, repo_id)
    await asyncio.to_thread(hub.store.delete, repo_id, wish.kind)
    return json_answer({})


@routes.get("/api/{kind:models|datasets}", name="hf:list")
async def find(request: web.Request) -> web.Response:
    """List a page of the repositories that whoever asks may see."""
    hub = hub_of(request)
    account = account_of(request)
    search, author = request.query.get("search", "").lower(), request.query.get("author")
    found = [
        repository
        for repository in hub.store.repositories(request.match_info["kind"].removesuffix("s"))
        if hub.policy.sees(account, repository.record)
        and search in repository.record.repo_id.lower()
        and author in (None, repository.record.repo_id.partition("/")[0])
    ]
    part = window(request, _REPOSITORIES_A_PAGE)
    shown = await asyncio.to_thread(lambda: [_shown(request, repository) for repository in found[part]])
    return page_answer(request, part, shown, len(found))


def _shown(request: web.Request, repository: Repository) -> dict[str, object]:
    """Describe a repository in a list: what `expand` names, with `full` also its files."""
    commit = repository.resolve(None)
    wanted = {name for key in ("expand", "expand[]") for name in request.query.getall(key, ())}
    _refuse_unknown(wanted, repository.record.kind)
    described = _described(repository, commit, card_of(hub_of(request).store.blobs, repository.tree(commit)))
    if flag(request, "full"):
        described["siblings"] = [{"rfilename": path} for path in repository.tree(commit).paths]
    return {name: described[name] for name in described if name in wanted | _ALWAYS} if wanted else described


def _refuse_unknown(wanted: set[str], kind: str) -> None:
    """Refuse to expand what a repository of this kind does not have."""
    known = _EXPANDABLE | (_OF_MODELS if kind == "model" else _OF_DATASETS)
    if unknown := wanted - known:
        raise Refusal(Reason.INVALID, f'"expand" must be one of [{", ".join(sorted(known))}]: {min(unknown)}')


@routes.put(f"{REPO}/settings", name="hf:settings")
async def change(request: web.Request) -> web.Response:
    """Set who may see a repository and whether its terms must be accepted."""
    repository, account = writable_repository_of(request)
    wish = await read_json(request, Settings)
    fields: dict[str, object] = {}
    if wish.private is not None or wish.visibility is not None:
        fields["private"] = bool(wish.private) or wish.visibility in ("private", "protected")
    if wish.gated is not None:
        fields["gated"] = wish.gated or None
        fields["granted"] = tuple({*repository.record.granted, account.name})  # nobody locks himself out
    await asyncio.to_thread(lambda: repository.change(**fields))
    return json_answer({"private": repository.record.private, "gated": repository.record.gated or False})


@routes.get(f"{REPO}/revision/{{revision}}", name="hf:info")
@routes.get(REPO, name="hf:info")
async def info(request: web.Request) -> web.Response:
    """Describe a repository at a revision."""
    repository = repository_of(request)
    commit = shown_commit(hub_of(request), repository, request.match_info.get("revision"))
    described = await asyncio.to_thread(
        _whole, hub_of(request), repository, commit, with_blobs=flag(request, "blobs")
    )
    return json_answer(described)


def _whole(hub: Hub, repository: Repository, commit: str, *, with_blobs: bool) -> dict[str, object]:
    """Describe a repository with all its files. Blocks; call it off the event loop."""
    tree = repository.tree(commit)
    siblings = [sibling(path, tree.files[path], blobs=with_blobs) for path in tree.paths]
    used = sum(file.size for file in tree.files.values())
    described = _described(repository, commit, card_of(hub.store.blobs, tree))
    return {**described, "siblings": siblings, "usedStorage": used}


def _described(repository: Repository, commit: str, card: bytes) -> dict[str, object]:
    record = repository.record
    license_ = record.license or cards.license_of(card)
    task = cards.pipeline_of(card)
    shown = {"pipeline_tag": task} if record.kind == "model" and task else {}
    return {
        "_id": record.repo_id,
        "id": record.repo_id,
        "modelId": record.repo_id,
        "author": record.repo_id.partition("/")[0] if "/" in record.repo_id else None,
        "sha": commit,
        "lastModified": iso_time(repository.history.commit(commit).time),
        "createdAt": iso_time(record.created),
        "private": record.private,
        "gated": record.gated or False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": described_tags(record, card),
        "cardData": {"license": license_} if license_ else None,
        **shown,
    }


def described_tags(record: RepositoryRecord, card: bytes) -> list[str]:
    """Return the tags of a repository: those of its card, its licence and its task."""
    license_ = record.license or cards.license_of(card)
    task = cards.pipeline_of(card)
    tagged = [f"license:{license_}"] if license_ else []
    if task:
        tagged.append(task if record.kind == "model" else f"task_categories:{task}")
    return [*cards.tags_of(card), *tagged]
