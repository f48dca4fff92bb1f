"""Write to ModelScope: few questions, one PUT a blob, one commit for many files."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hubferry.errors import AccessError, NotFoundError, UsageError
from hubferry.hubs.git_names import refused_names
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.modelscope import examine as modelscope_examine
from hubferry.hubs.modelscope import refusals as modelscope_refusals
from hubferry.hubs.modelscope.blobs import BlobStorage
from hubferry.hubs.modelscope.licenses import license_name
from hubferry.hubs.modelscope.listing import CUT
from hubferry.hubs.modelscope.source import ModelScopeSource, described
from hubferry.hubs.modelscope.wire import DEFAULT_BRANCH, code
from hubferry.i18n import _
from hubferry.model import BLOB_SUFFIXES, Blob, Limits, Revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.findings import Finding
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.ports import Body
    from hubferry.model import CommitAction, NewRepository, Plan, RepoFile, RepoRef

# modelscope_hub/constants.py: COMMIT_MAX_ACTIONS_PER_REQUEST, UPLOAD_COMMIT_MAX_INLINE_BYTES,
# MODEL_LFS_SUFFIX, UPLOAD_LFS_FORCE_THRESHOLD_BYTES, UPLOAD_INLINE_METADATA_PATHS,
# UPLOAD_BLOB_VALIDATION_BATCH_MAX_OBJECTS, REPO_FILES_TRUNCATION_LIMIT; the official client only warns of
# UPLOAD_MAX_FILE_SIZE_BYTES, UPLOAD_MAX_FILE_COUNT and UPLOAD_MAX_FILE_COUNT_IN_DIR
LIMITS = Limits(
    actions_per_commit=2000,
    commit_bytes=8 << 20,
    inline_size=64 << 10,
    blob_suffixes=BLOB_SUFFIXES,
    inline_names=frozenset(
        [
            "readme.md",
            ".gitattributes",
            ".gitignore",
            "configuration.json",
            "configuration.yaml",
            "configuration.yml",
            "dataset_infos.json",
            "config.json",
            ".msc",
            ".mdl",
        ]
    ),
    advised_file_size=100 << 30,
    blobs_per_question=64,
    advised_files=100_000,
    advised_folder=50_000,
    listable_folder=CUT - 1,
)
_VISIBILITY = {"private": 1, "public": 5}
_EXISTS = frozenset({10020101001, 10010101001, 10010202004})
_EXISTS_WORDS = ("already", "exists", "已存在", "已被注册", "名称不可用")
_COMMIT_SECONDS = 300.0


class ModelScopeDestination(ModelScopeSource):
    """A ModelScope server as a destination."""

    def __init__(self, endpoint: str, token: str | None = None, *, allow_insecure: bool = False) -> None:
        """Prepare; see `HubClient`."""
        super().__init__(endpoint, token, allow_insecure=allow_insecure, side="destination")
        self._storage = BlobStorage(self._wire)

    @property
    def limits(self) -> Limits:
        """What one commit, one file and one question may hold."""
        return LIMITS

    async def resolve(self, ref: RepoRef) -> Revision:
        """As a source does; what is not there yet does not exist, which is no failure."""
        try:
            return await super().resolve(ref)
        except NotFoundError:
            return await self._without_branch(ref)

    async def _without_branch(self, ref: RepoRef) -> Revision:
        """Tell a repository without this branch from one that is not there."""
        if ref.revision is not None:
            with suppress(NotFoundError):
                facts = await self._wire.get(ref, self._wire.api(ref))
                return replace(described(ref, "", facts), exists=False, branchless=True)
        return Revision(ref, "", exists=False)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List the repository; nothing where it is not there yet."""
        return await super().files(revision) if revision.exists else []

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Ask about login, namespace and branch; see `Destination.examine`."""
        self._need_token()
        return (*refused_names(plan), *await modelscope_examine.examine(self._wire, plan))

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:
        """Create the repository; return False where it was there.

        Wire fact: api.py `create_repo` posts Apache-2.0 for a silent caller: a licence always goes along.
        """
        owner, slash, name = ref.repo_id.partition("/")
        if not slash:
            raise UsageError(
                _("“{name}” lacks the owner: say under which account.").format(name=ref.repo_id),
                side="destination",
            )
        self._need_token()
        body = {
            "Owner" if ref.repo_type == "dataset" else "Path": owner,
            "Name": name,
            "Visibility": _VISIBILITY[new.visibility],
            "License": license_name(new.license),
        }
        url = f"{self._client.endpoint}/api/v1/{ref.repo_type}s"
        kind, payload = _form(body) if ref.repo_type == "dataset" else ("application/json", json_body(body))
        answer = await self._client.ask(Request("POST", url, {"Content-Type": kind}, payload))
        if _says_exists(answer):
            return False
        self._wire.opened(ref, answer)
        return True

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Ask in groups, several at a time; see `Destination.missing`."""
        self._need_token()
        unique = list({blob.sha256: blob for blob in blobs}.values())
        size = self.limits.blobs_per_question
        groups = [unique[at : at + size] for at in range(0, len(unique), size)]
        answers = await asyncio.gather(*(self._storage.missing(ref, group) for group in groups))
        return frozenset().union(*answers)

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Store one blob with one PUT; see `Destination.upload`."""
        self._need_token()
        await self._storage.upload(ref, blob, body)

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Make one commit of all `actions`; see `Destination.commit`. The hub knows no parent to hold to.

        Wire facts: _legacy_api.py `create_commit`, _upload.py `_build_operation`.
        """
        del parent
        self._need_token()
        self._begun.clear()  # a listing that was begun before is none of what is there afterwards
        body = json_body({"commit_message": message, "actions": [_operation(action) for action in actions]})
        url = self._wire.repos(ref, f"/commit/{quote(ref.revision or DEFAULT_BRANCH, safe='')}")
        request = Request("POST", url, {"Content-Type": "application/json"}, body, silence=_COMMIT_SECONDS)
        answer = await modelscope_refusals.checked(self._wire, ref, await self._client.ask(request))
        data = self._wire.opened(ref, answer)
        self._listings.clear()
        return _commit_name(data)

    def _need_token(self) -> None:
        """Raise before a question that cannot succeed."""
        if self._client.token is None:
            raise AccessError(
                _("Writing to {host} needs a token.").format(host=self._client.host),
                side="destination",
                hint=_("Set MODELSCOPE_API_TOKEN to a token from {url}").format(url=self._wire.token_page),
            )


def _operation(action: CommitAction) -> dict[str, Any]:
    content = action.content
    blob = content is None and action.change != "delete"
    return {
        "action": action.change,
        "path": action.path,
        "type": "lfs" if blob else "normal",
        "size": action.size,
        "sha256": (action.sha256 or "") if blob else "",
        "content": "" if content is None else b64encode(content).decode(),
        "encoding": "" if content is None else "base64",
    }


def _says_exists(answer: Answer) -> bool:
    """Return whether a creation was refused because there is such a repository. Wire fact: errors.py."""
    body = answer.json()
    if answer.status == HTTPStatus.CONFLICT or code(body) in _EXISTS:
        return True
    denied = not _succeeded(answer) and (answer.ok or answer.status == HTTPStatus.BAD_REQUEST)
    return denied and any(word in answer.text().lower() for word in _EXISTS_WORDS)


def _succeeded(answer: Answer) -> bool:
    body = answer.json()
    return (
        answer.ok
        and isinstance(body, dict)
        and body.get("Success", True) is True
        and code(body) in (None, 200)
    )


def _commit_name(data: Any) -> str:
    """Return what the hub calls the commit; it is not agreed under which key."""
    names = ("CommitId", "commit_id", "commitId", "Sha", "sha", "oid", "commitOid", "Id", "id")
    found = (
        [data[name] for name in names if isinstance(data.get(name), str)] if isinstance(data, dict) else []
    )
    return found[0] if found else ""


def _form(fields: dict[str, Any]) -> tuple[str, bytes]:
    """Encode as multipart form data, which is how datasets are created."""
    boundary = "hubferry-form"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return f"multipart/form-data; boundary={boundary}", f"{''.join(parts)}--{boundary}--\r\n".encode()
