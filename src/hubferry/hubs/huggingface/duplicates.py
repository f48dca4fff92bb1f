"""Blobs that a Hugging Face server gives from one of its repositories to another, without a byte on the wire.

Wire facts: huggingface_hub 2.4.0, hf_api.py `_duplicate_lfs_files`: the source is asked, with the target in
the body; `failed` names those that it does not give, as of a repository in another region. Its client sends
files that have a Xet hash only; what a server says to others is not known, so they are asked for apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.hubs.http.answers import texts_in
from hubferry.hubs.http.client import Request, json_body
from hubferry.hubs.huggingface import refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.hubs.huggingface.source import HuggingFaceSource
    from hubferry.model import RepoFile, RepoRef

_MOST = 500
"""Files in a question: _commit_api.py `DUPLICATE_LFS_BATCH_SIZE`."""


class HuggingFaceDuplicates:
    """Ask for blobs of another repository of the same server; see `Duplicates`."""

    def __init__(self, source: HuggingFaceSource) -> None:
        """Ask by the connections and the login of `source`, which is closed with this."""
        self._source = source
        self._wire = source.wire

    async def duplicate(self, source: RepoRef, target: RepoRef, files: Sequence[RepoFile]) -> frozenset[str]:
        """Return the sha256 of those that the hub says to have given."""
        given: set[str] = set()
        chunked = [file for file in files if file.xet_hash]
        for group in (chunked, [file for file in files if not file.xet_hash]):
            for at in range(0, len(group), _MOST):
                given |= await self._ask(source, target, group[at : at + _MOST])
        return frozenset(given)

    async def _ask(self, source: RepoRef, target: RepoRef, files: Sequence[RepoFile]) -> set[str]:
        wish = {
            "target": {"type": target.repo_type, "name": target.repo_id},
            "files": [_described(file) for file in files],
        }
        request = Request(
            "POST",
            self._wire.api(source, "/lfs-files/duplicate"),
            {"Content-Type": "application/json"},
            json_body(wish),
            silence=300,
        )
        answer = await refusals.checked(self._wire, target, await self._wire.client.ask(request))
        told = self._wire.understood(answer)
        failed = told.get("failed") if isinstance(told, dict) else None
        if not isinstance(failed, list):
            return set()
        return {file.sha256 for file in files if file.sha256}.difference(texts_in(failed, "sha256"))

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()


def _described(file: RepoFile) -> dict[str, object]:
    named: dict[str, object] = {"sha256": file.sha256, "filename": file.path}
    return named | ({"xetHash": file.xet_hash} if file.xet_hash else {})
