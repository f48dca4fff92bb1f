"""Read from the Hugging Face Hub, and from servers that speak its dialect less fully."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hubferry.errors import GatedError, HubferryError, NetworkError, NotFoundError, Side
from hubferry.hubs.http.answers import texts_in
from hubferry.hubs.http.client import HubClient, Request
from hubferry.hubs.http.mistaken import not_understood
from hubferry.hubs.http.ranges import RangeReader
from hubferry.hubs.http.refused import FileQuestion
from hubferry.hubs.huggingface.listing import Listing
from hubferry.hubs.huggingface.wire import Wire, login, quoted, quoted_revision
from hubferry.i18n import _
from hubferry.model import RepoFile, Revision

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.hubs.ports import Piece
    from hubferry.model import RepoRef

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
_NOT_FOUND = 404
_DEFAULTS = (None, "main", "master")


class HuggingFaceSource:
    """A Hugging Face server as a source; has no method that writes."""

    def __init__(
        self,
        endpoint: str,
        token: str | None = None,
        *,
        connections: int | None = None,
        allow_insecure: bool = False,
        side: Side = "source",
    ) -> None:
        """Prepare; see `HubClient`."""
        self._client = HubClient(
            endpoint, token, side=side, login=login, connections=connections, allow_insecure=allow_insecure
        )
        self._wire = Wire(self._client)
        self._reader = RangeReader(self._client)
        self._named: dict[str, frozenset[str]] = {}

    @property
    def ignores_ranges(self) -> bool:
        """Whether this server was seen to send a whole file where a part of it was asked for."""
        return self._reader.ignored

    @property
    def wire(self) -> Wire:
        """The server itself, for what else it may be asked as the same account."""
        return self._wire

    async def resolve(self, ref: RepoRef) -> Revision:
        """Turn a branch, tag or commit into a commit; see `Source.resolve`."""
        revision = await self.look(ref)
        if revision.gated:
            await self._check_terms(ref)
        return revision

    async def look(self, ref: RepoRef) -> Revision:
        """Resolve without asking whether this account may download."""
        return (await self.record(ref))[0]

    async def record(self, ref: RepoRef) -> tuple[Revision, dict[str, Any]]:
        """Return a revision, and the hub's own record of the repository at it.

        Wire fact: hf_api.py `model_info`: `sha`, `private`, `gated` (false, "auto" or "manual"), `cardData`.
        """
        rest = "" if ref.revision is None else f"/revision/{quoted_revision(ref.revision)}"
        answer = await self._wire.get(ref, self._wire.api(ref, rest))
        info = answer.json()
        if not isinstance(info, dict):
            raise not_understood(answer, host=self._client.host, side=self._client.side)
        commit = info.get("sha")
        if not isinstance(commit, str) or not commit:
            if ref.revision is None or not _COMMIT.fullmatch(ref.revision):
                raise NetworkError(
                    _("{host} does not say which commit {name} is at.").format(
                        host=self._client.host, name=ref.repo_id
                    ),
                    side=self._client.side,
                    hint=_("Name the commit: {name}").format(name=f"hf:{ref.repo_id}@COMMIT"),
                )
            commit = ref.revision
        await self._check_name(ref, commit)
        self._named[commit] = frozenset(texts_in(info.get("siblings"), "rfilename"))
        revision = Revision(
            ref,
            commit,
            private=bool(info.get("private")),
            gated=bool(info.get("gated")),
            license=license_of(info),
        )
        return revision, info

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List a commit's files, complete or an error; see `Source.files`.

        Raises:
            NetworkError: The listing lacks a file that the repository's own record names.
        """
        files = await Listing(self._wire, revision).files()
        lacking = self._named.get(revision.commit, frozenset()) - {file.path for file in files}
        if lacking:
            raise NetworkError(
                _("{host} sent a listing of {name} without {path}.").format(
                    host=self._client.host, name=revision.ref.repo_id, path=min(lacking)
                ),
                side=self._client.side,
            )
        return files

    def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield a range of a file at a commit; see `Source.read`."""
        return self._reader.read(self._question(revision, file), start, stop)

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file at a commit; see `Source.whole`."""
        return await self._reader.whole(self._question(revision, file))

    def _question(self, revision: Revision, file: RepoFile) -> FileQuestion:
        """Return how this hub is asked for a file."""
        ref, commit = revision.ref, quoted_revision(file.revision or revision.commit)
        url = self._wire.page(ref, f"/resolve/{commit}/{quoted(file.path)}")
        return FileQuestion(
            url,
            ref,
            file,
            lambda answer: self._wire.checked(ref, answer, file.path),
            lambda _denied: self._may_be_read(ref),
        )

    async def _may_be_read(self, ref: RepoRef) -> bool:
        """Return whether the hub says that this account may read the repository; see `FileQuestion`.

        Wire fact: hf_api.py `auth_check`. A server that does not know the question says 404 without a code.
        """
        answer = await self._client.ask(Request("GET", self._wire.api(ref, "/auth-check"), {}))
        if answer.status == _NOT_FOUND and "X-Error-Code" not in answer.headers:
            return False
        return self._wire.checked(ref, answer).ok

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def _check_terms(self, ref: RepoRef) -> None:
        """Ask before the first byte whether this account has accepted the terms.

        Wire fact: hf_api.py `auth_check`. A server without that question leaves it to the first download.
        """
        try:
            await self._wire.get(ref, self._wire.api(ref, "/auth-check"))
        except GatedError:
            raise
        except NotFoundError:
            return

    async def _check_name(self, ref: RepoRef, commit: str) -> None:
        """Refuse a commit of another name: some servers take an unknown revision for their main one.

        Raises:
            NotFoundError: The revision asked for is certainly not `commit`.
        """
        asked = ref.revision
        if asked in _DEFAULTS or asked == commit or asked is None:
            return
        if _COMMIT.fullmatch(asked) or _SHORT_COMMIT.fullmatch(asked):
            wrong = not commit.startswith(asked) and await self._is_unknown(ref, asked)
        else:
            wrong = not asked.startswith("refs/") and await self._is_unknown(ref, asked)
        if wrong:
            raise NotFoundError(
                _("{name} has no revision {revision}.").format(name=ref.repo_id, revision=asked),
                side=self._client.side,
                hint=_("Its branches and tags are listed at {url}").format(
                    url=self._wire.page(ref, "/tree/main")
                ),
            )

    async def _is_unknown(self, ref: RepoRef, name: str) -> bool:
        """Return whether the server's list of branches and tags lacks `name`; False where it has no list."""
        try:
            refs = (await self._wire.get(ref, self._wire.api(ref, "/refs"))).json()
        except HubferryError:
            return False
        if not isinstance(refs, dict) or not isinstance(refs.get("branches"), list):
            return False
        groups = ("branches", "tags", "converts")
        return all(name not in texts_in(refs.get(group), "name") for group in groups)


def license_of(info: dict[str, Any]) -> str | None:
    """Return the licence of a model card's front matter; the first where it names several."""
    card = info.get("cardData")
    named = card.get("license") if isinstance(card, dict) else None
    if isinstance(named, list):
        named = named[0] if named else None
    if isinstance(named, str) and named.strip():
        return named.strip()
    tags = info.get("tags")
    listed = tags if isinstance(tags, list) else []
    tagged = [tag for tag in listed if isinstance(tag, str) and tag.startswith("license:")]
    return tagged[0].removeprefix("license:") if tagged else None
