"""A request for a repository that this hub does not have itself, taken apart."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hubferry.errors import DiskError, HubferryError
from hubferry.i18n import _
from hubferry.mirror.answers import ArrivingResponse, FileResponse, SmallResponse
from hubferry.mirror.arrival import Arrival
from hubferry.mirror.content import Small, digest_of, source_of
from hubferry.mirror.refusals import said
from hubferry.mirror.snapshots import is_blob
from hubferry.serve.addresses import client_address
from hubferry.serve.browsers import kept_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from hubferry.mirror.asking import Found
    from hubferry.mirror.clients import Asker
    from hubferry.mirror.content import Wanted
    from hubferry.mirror.mirror import Mirror
    from hubferry.mirror.upstreams import Upstream
    from hubferry.model import RepoType

_TRIES = 3
STALE = '110 hubferry "Response is Stale"'
"""RFC 7234, section 5.5.1; the successor has no such header, and clients still show it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants.

    Attributes:
        mirror: This one.
        upstream: Where clients of this dialect are answered from.
        request: As it came.
        who: As whom the upstream is asked.
        repo_id: The repository as clients call it.
        kind: Of what kind it is.
    """

    mirror: Mirror
    upstream: Upstream
    request: web.Request
    who: Asker
    repo_id: str
    kind: RepoType

    async def look(self, revision: str | None) -> Found:
        """Return the commit that a revision means; see `Mirror.look`."""
        return await self.mirror.look(self.upstream, self.repo_id, self.kind, revision, self.who)

    async def file(self, found: Found, path: str, headers: Mapping[str, str]) -> web.StreamResponse:
        """Answer with a file, from the cache or while it arrives.

        Raises:
            Refusal: It cannot be had.
        """
        wanted = await self.mirror.wanted(self.upstream, found, path, self.who)
        etag = await self._etag(found, wanted)
        headers = {**headers, **marks(found), **kept_as(self.request, path)}
        try:
            return await self._file(wanted, etag, headers)
        except HubferryError as error:
            raise said(error, self.repo_id, None) from error

    async def _etag(self, found: Found, wanted: Wanted) -> str:
        """Return the digest that clients of this dialect know a file by."""
        listed, file = found.view.files[wanted.file.path], wanted.file
        if self.upstream.dialect == "hf" and not is_blob(listed):
            if file.git_sha1 is None:
                return (await self.mirror.contents.digests(wanted)).git_sha1 or ""
            return file.git_sha1
        if file.sha256 is None:
            return (await self.mirror.contents.digests(wanted)).sha256
        return file.sha256

    async def _file(self, wanted: Wanted, etag: str, headers: Mapping[str, str]) -> web.StreamResponse:
        request, counts, size = self.request, self.mirror.counts, wanted.file.size or 0
        client = client_address(request)
        doubted = self.mirror.contents.doubt.about(digest_of(wanted.file), client)
        if request.method == "HEAD":
            return FileResponse(request, Path(), size, etag, headers, counts=counts, doubted=doubted)
        got = await self._got(wanted)
        if isinstance(got, Small):
            counts.misses += 1
            small = SmallResponse(request, Path(), size, etag, headers, counts=counts, doubted=doubted)
            small.content = got.content
            return small
        if isinstance(got, Arrival):
            counts.misses += 1
            response = ArrivingResponse(
                request, got.final, size, etag, headers, counts=counts, doubted=doubted
            )
            response.arrival, response.source, response.client = got, source_of(wanted), client
            await response.prepare(request)
            return response
        counts.hits += 1
        with ExitStack() as open_files:
            open_files.enter_context(got)
            found = FileResponse(request, Path(), size, etag, headers, counts=counts, doubted=doubted)
            found.hold(got)
            open_files.pop_all()
        return found

    async def _got(self, wanted: Wanted) -> IO[bytes] | Small | Arrival:
        """Return a file of the cache open, so that nothing takes it away before it is sent."""
        for _number in range(_TRIES):
            got = await self.mirror.contents.get(wanted)
            if not isinstance(got, Path):
                return got
            with suppress(FileNotFoundError):  # it went for the quota since it was looked up
                return _opened(got)
        message = _("{path} is removed from the cache again and again").format(path=wanted.file.path)
        raise DiskError(message, side="cache", path=wanted.file.path)


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb", buffering=0)


def marks(found: Found) -> dict[str, str]:
    """Return the headers that say how an answer came about."""
    return {"Warning": STALE} if found.stale else {}
