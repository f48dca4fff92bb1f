"""Write to the Hugging Face Hub over git LFS: one question for many blobs, one commit for many files.

Wire facts: huggingface_hub 2.4.0, lfs.py and _commit_api.py.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hubferry.errors import AccessError, NetworkError, NotFoundError, UsageError, naming
from hubferry.events import Listener, ignore
from hubferry.hubs.git_names import refused_names
from hubferry.hubs.http.answers import texts_in
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.huggingface import refusals as huggingface_refusals
from hubferry.hubs.huggingface.examine import Examination
from hubferry.hubs.huggingface.lfs import BlobStorage
from hubferry.hubs.huggingface.source import HuggingFaceSource
from hubferry.hubs.huggingface.unfinished import Unfinished
from hubferry.hubs.huggingface.wire import quoted_revision
from hubferry.hubs.xet.source import uploads_to
from hubferry.i18n import _
from hubferry.model import BLOB_SUFFIXES, Blob, Limits, Revision
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from hubferry.findings import Finding
    from hubferry.hubs.http.answers import Answer
    from hubferry.hubs.ports import Body
    from hubferry.model import CommitAction, NewRepository, Plan, RepoFile, RepoRef

# The .gitattributes that the hub puts into a new repository, _upload_pipeline.py: COMMIT_SIZE_SCALE, and
# hub-docs, storage-limits.md: 500 GB a file and 10,000 entries a folder at most, 100,000 files advised; it is
# not known whether the LFS way still ends at 50 GB. 10 MB is where the hub refuses a file that is not LFS.
LIMITS = Limits(
    actions_per_commit=1000,
    commit_bytes=32 << 20,
    inline_size=1 << 20,
    blob_suffixes=BLOB_SUFFIXES,
    inline_names=frozenset({"readme.md", ".gitattributes", ".gitignore"}),
    reads_cards=True,
    file_size=500 * 10**9,
    advised_file_size=50 * 10**9,
    advised_files=100_000,
    folder_entries=10_000,
    blobs_per_question=256,
    edited_names=frozenset({".gitattributes"}),
    has_parents=True,
)
_CONFLICT = 409
_FILES_PER_PREUPLOAD = 256
_SAMPLE = 512


class HuggingFaceDestination(HuggingFaceSource):
    """A Hugging Face server as a destination."""

    def __init__(
        self,
        endpoint: str,
        token: str | None = None,
        *,
        allow_insecure: bool = False,
        unfinished: Path | None = None,
        listen: Listener = ignore,
    ) -> None:
        """Prepare; see `HubClient`. `unfinished` is where uploads in parts are remembered, if anywhere."""
        super().__init__(endpoint, token, allow_insecure=allow_insecure, side="destination")
        xet = uploads_to(self._wire, listen)
        self._storage = BlobStorage(self._wire, Unfinished(unfinished, token), xet)

    @property
    def limits(self) -> Limits:
        """What one commit, one file and one question may hold."""
        return LIMITS

    async def resolve(self, ref: RepoRef) -> Revision:
        """As a source does; what is not there yet does not exist, which is no failure."""
        try:
            return await self.look(ref)
        except NotFoundError:
            return await self._without_branch(ref)

    async def _without_branch(self, ref: RepoRef) -> Revision:
        """Tell a repository without this branch, which can be made, from one that is not there."""
        if ref.revision is not None:
            with suppress(NotFoundError):
                there = await self.look(replace(ref, revision=None))
                return replace(there, ref=ref, commit="", exists=False, branchless=True)
        return Revision(ref, "", exists=False)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List the repository; nothing where it is not there yet."""
        return await super().files(revision) if revision.exists else []

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Ask about rights, branch and card; see `Destination.examine`."""
        self._need_token()
        return (*refused_names(plan), *await Examination(self._wire, plan).findings())

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:
        """Create the repository, and the branch if one is named; return False where the repository was there.

        The licence stands in the model card's front matter, which is one of the files.
        """
        owner, slash, name = ref.repo_id.partition("/")
        if not slash:
            raise UsageError(
                _("“{name}” lacks the owner: say under which account.").format(name=ref.repo_id),
                side="destination",
            )
        self._need_token()
        created = not new.branch_only and await self._create(ref, owner, name, new)
        if ref.revision not in (None, "main", "master"):
            branch = await self._post(
                self._wire.api(ref, f"/branch/{quoted_revision(ref.revision or '')}"), {}
            )
            if branch.status != _CONFLICT:
                await huggingface_refusals.checked(self._wire, ref, branch)
        return created

    async def _create(self, ref: RepoRef, owner: str, name: str, new: NewRepository) -> bool:
        private = new.visibility == "private"
        body = {"name": name, "organization": owner, "type": ref.repo_type, "private": private}
        answer = await self._post(f"{self._client.endpoint}/api/repos/create", body)
        if answer.status != _CONFLICT:
            await huggingface_refusals.checked(self._wire, ref, answer)
        return answer.status != _CONFLICT

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Ask in groups, several at a time; an empty blob is never stored, and so never missing."""
        self._need_token()
        unique = list({blob.sha256: blob for blob in blobs if blob.size}.values())
        size = self.limits.blobs_per_question
        groups = [unique[at : at + size] for at in range(0, len(unique), size)]
        answers = await run_all(*(self._storage.missing(ref, group) for group in groups))
        return frozenset().union(*answers)

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Store one blob; see `Destination.upload`."""
        self._need_token()
        if blob.size:
            await self._storage.upload(ref, blob, body)

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Make one commit of all `actions`; see `Destination.commit`.

        A file that was to go inside the commit, and that the repository's .gitattributes want as a blob, is
        stored as one first. Wire fact: _commit_api.py `_prepare_commit_payload` (`parentCommit`).
        """
        self._need_token()
        branch = quoted_revision(ref.revision or "main")
        blobs = await self._wanted_as_blobs(ref, branch, actions)
        header = {"summary": message, "description": ""}
        if parent:
            header["parentCommit"] = parent
        lines = [{"key": "header", "value": header}]
        lines += [_line(action, blobs) for action in actions]
        body = b"\n".join(json_body(line) for line in lines)
        request = Request(
            "POST",
            self._wire.api(ref, f"/commit/{branch}"),
            {"Content-Type": "application/x-ndjson"},
            body,
            silence=300,
        )
        answer = await huggingface_refusals.checked(self._wire, ref, await self._client.ask(request))
        made = answer.json()
        if not isinstance(made, dict) or not isinstance(made.get("commitOid"), str):
            raise NetworkError(
                _("{host} did not say whether it made the commit.").format(host=self._client.host),
                side="destination",
            )
        return str(made["commitOid"])

    async def _wanted_as_blobs(
        self, ref: RepoRef, branch: str, actions: Sequence[CommitAction]
    ) -> frozenset[str]:
        """Return the paths among the inline files that the hub wants as blobs, after storing them."""
        inline = [action for action in actions if action.content]
        wanted: set[str] = set()
        for at in range(0, len(inline), _FILES_PER_PREUPLOAD):
            files = [
                {
                    "path": action.path,
                    "sample": b64encode((action.content or b"")[:_SAMPLE]).decode(),
                    "size": action.size,
                }
                for action in inline[at : at + _FILES_PER_PREUPLOAD]
            ]
            answer = await self._post(self._wire.api(ref, f"/preupload/{branch}"), {"files": files})
            told = self._wire.understood(await huggingface_refusals.checked(self._wire, ref, answer))
            entries = told.get("files") if isinstance(told, dict) else None
            listed = (
                [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
            )
            wanted.update(texts_in([one for one in listed if one.get("uploadMode") == "lfs"], "path"))
        stored = {_sha256(action): action for action in inline if action.path in wanted}
        absent = await self.missing(
            ref, [Blob(sha256, len(one.content or b""), one.path) for sha256, one in stored.items()]
        )
        for sha256 in sorted(absent):
            content, path = stored[sha256].content or b"", stored[sha256].path
            with naming(_("sending {path}").format(path=path), path):
                await self.upload(ref, Blob(sha256, len(content), path), partial(_once, content))
        return frozenset(wanted)

    async def _post(self, url: str, value: Any) -> Answer:
        return await self._client.ask(
            Request("POST", url, {"Content-Type": "application/json"}, json_body(value))
        )

    def _need_token(self) -> None:
        """Raise before a question that cannot succeed."""
        if self._client.token is None:
            raise AccessError(
                _("Writing to {host} needs a token.").format(host=self._client.host),
                side="destination",
                hint=_("Set HF_TOKEN to a token that may write there ({url}).").format(
                    url="https://huggingface.co/settings/tokens"
                ),
            )


def _line(action: CommitAction, blobs: frozenset[str]) -> dict[str, Any]:
    if action.change == "delete":
        return {"key": "deletedFile", "value": {"path": action.path}}
    content = b"" if action.size == 0 else action.content
    if content is None or action.path in blobs:
        oid = action.sha256 if content is None else _sha256(action)
        value = {"path": action.path, "algo": "sha256", "oid": oid, "size": action.size}
        return {"key": "lfsFile", "value": value}
    encoded = b64encode(content).decode()
    return {"key": "file", "value": {"path": action.path, "content": encoded, "encoding": "base64"}}


def _sha256(action: CommitAction) -> str:
    return hashlib.sha256(action.content or b"").hexdigest()


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
