"""Read a byte range through redirects and expiring addresses, exactly or not at all."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from hubferry.errors import AccessError, HubferryError, IntegrityError, NetworkError, NotFoundError
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.answers import Answer, failure
from hubferry.hubs.http.client import HubClient, Request
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from hubferry.model import RepoFile
    from hubferry.wire.pool import Incoming

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_OK, _PARTIAL_CONTENT, _UNSATISFIABLE = 200, 206, 416
_EXPIRED = frozenset({400, 401, 403, 404, 410})
_LARGEST_REFUSAL = 1 << 16
_DIRECT = ""


class RangeReader:
    """Reads ranges of one hub's files; remembers where each file's bytes are until that address expires.

    Attributes:
        ignored: Whether the hub was seen to answer a range with the whole file.
    """

    def __init__(self, client: HubClient) -> None:
        """Read over `client`."""
        self._client = client
        self._places: dict[str, str] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self.ignored = False

    async def read(
        self, url: str, file: RepoFile, start: int, stop: int | None, check: Callable[[Answer], Answer]
    ) -> AsyncGenerator[memoryview, None]:
        """Yield bytes `start` to `stop` of the file at `url`, which may redirect to object storage.

        Args:
            url: The hub's own address of the file.
            file: What is listed; its size is held against the answer.
            start: First byte.
            stop: Past the last byte, None for the file's end.
            check: Raises what a refusal of the hub itself stands for.

        Raises:
            IntegrityError: The file is not as long as it is listed, or the answer goes on too long.
            NetworkError: The answer ends early, or is not the range that was asked for.
        """
        stop = file.size if stop is None else stop
        if stop is not None and start >= stop:
            return
        whole = start == 0 and stop == file.size
        headers = {} if whole else {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        try:
            async with self._opened(url, headers) as response:
                await self._accept(response, url, file, check)
                skip = self._skip(response, file, start, stop)
                count = None if stop is None else stop - start
                with self._client.failures_named(response.url):
                    async for piece in self._exactly(response, file, skip, count):
                        yield piece
        except HubferryError as error:
            error.path = file.path
            raise

    async def whole(self, url: str, file: RepoFile, check: Callable[[Answer], Answer]) -> bytes:
        """Return all of a small file at `url`, with one question; see `read`."""
        size = file.size or 0
        try:
            answer = await self._client.ask_for(Request("GET", url, {}), size)
            if answer.status not in (_OK, _PARTIAL_CONTENT):
                raise self._refusal(answer, url, check)
            told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", f"bytes 0-{size - 1}/{size}"))
            encoding = answer.headers.get("Content-Encoding", "identity").lower()
            if told is None or (int(told[1]), int(told[2])) != (0, size - 1) or encoding != "identity":
                raise self._wrong(file, answer.url)
            if len(answer.body) > size or (len(answer.body) < size and "Content-Length" in answer.headers):
                raise self._wrong_size(file)
            if len(answer.body) < size:
                raise self._broken_off(file, answer.url)
        except HubferryError as error:
            error.path = file.path
            raise
        return answer.body

    @asynccontextmanager
    async def _opened(self, url: str, headers: dict[str, str]) -> AsyncIterator[Incoming]:
        """Open the storage's address while one is known and good, else ask the hub for it."""
        if not headers:
            # all of a file at once: nobody else needs to know where it is
            async with self._client.stream(Request("GET", url, headers)) as response:
                yield response
            return
        place = self._places.get(url)
        if place:
            async with self._client.stream(Request("GET", place, headers)) as response:
                if response.status not in _EXPIRED:
                    yield response
                    return
            if self._places.get(url) == place:
                del self._places[url]
        async with AsyncExitStack() as stack:
            yield await self._asked(stack, url, headers)

    async def _asked(self, stack: AsyncExitStack, url: str, headers: dict[str, str]) -> Incoming:
        """Ask the hub; who asks first learns the address for all that want another part of the same file."""
        if self._places.get(url) == _DIRECT:
            return await stack.enter_async_context(self._client.stream(Request("GET", url, headers)))
        async with self._turns.setdefault(url, asyncio.Lock()):
            place = self._places.get(url)
            if not place:
                response = await stack.enter_async_context(
                    self._client.stream(Request("GET", url, headers), follow=False)
                )
                place = self._client.redirect("GET", url, response)
                if place is None:
                    if response.status in (_OK, _PARTIAL_CONTENT):
                        self._places[url] = _DIRECT
                    return response
                with self._client.failures_named(url):
                    await response.finish()
                await stack.aclose()
                self._places[url] = place
        return await stack.enter_async_context(self._client.stream(Request("GET", place, headers)))

    async def _accept(
        self,
        response: Incoming,
        asked: str,
        file: RepoFile,
        check: Callable[[Answer], Answer],
    ) -> None:
        """Raise unless the answer carries bytes of the file; `asked` is the hub's own address of it."""
        url = response.url
        if response.status in (_OK, _PARTIAL_CONTENT):
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise self._wrong(file, url)
            return
        if response.status == _UNSATISFIABLE:
            raise self._wrong_size(file)
        with self._client.failures_named(url):
            body = await response.read(_LARGEST_REFUSAL)
        raise self._refusal(Answer(response.status, response.headers, body, url), asked, check)

    def _refusal(self, answer: Answer, asked: str, check: Callable[[Answer], Answer]) -> HubferryError:
        """Return, or raise, what a refusal stands for."""
        side, url = self._client.side, answer.url
        # A hub may keep its storage at its own origin: only the address it was asked by speaks of rights.
        if self._client.is_own(url) and (url == asked or "X-Error-Code" in answer.headers):
            check(answer)
        error: HubferryError = failure(answer, host=host_of(url), side=side)
        if isinstance(error, (AccessError, NotFoundError)):
            # Storage refuses an address that the hub has just signed: a matter of seconds, not of rights.
            error = NetworkError(error.message, side=side)
        return error

    def _skip(self, response: Incoming, file: RepoFile, start: int, stop: int | None) -> int:
        """Return how many bytes of the answer come before the range, after holding its headers against it."""
        url, length = response.url, response.length
        if response.status == _OK:
            if None not in (length, file.size) and length != file.size:
                raise self._wrong_size(file)
            self.ignored = self.ignored or start > 0
            return start
        told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if told is None or int(told[1]) != start or (stop is not None and int(told[2]) != stop - 1):
            raise self._wrong(file, url)
        if told[3] != "*" and file.size is not None and int(told[3]) != file.size:
            raise self._wrong_size(file)
        if length is not None and length != int(told[2]) - start + 1:
            raise self._wrong(file, url)
        return 0

    async def _exactly(
        self, response: Incoming, file: RepoFile, skip: int, count: int | None
    ) -> AsyncGenerator[memoryview, None]:
        """Yield `count` bytes after `skip`; None is all the rest."""
        ranged = response.status == _OK and (skip > 0 or count != file.size)
        left = count
        async for piece in response.pieces():
            if skip >= len(piece):
                skip -= len(piece)
                continue
            wanted = piece[skip:] if skip else piece
            skip = 0
            if left is not None:
                if len(wanted) > left:
                    if not ranged:
                        raise self._wrong_size(file)
                    wanted = wanted[:left]
                left -= len(wanted)
            if wanted:
                yield wanted
            if left == 0 and ranged:
                return
        if left or skip:
            raise self._broken_off(file, response.url)

    def _broken_off(self, file: RepoFile, url: str) -> NetworkError:
        return NetworkError(
            _("{host} broke off in the middle of {path}.").format(host=host_of(url), path=file.path),
            side=self._client.side,
        )

    def _wrong(self, file: RepoFile, url: str) -> NetworkError:
        return NetworkError(
            _("{host} sent other bytes of {path} than those asked for.").format(
                host=host_of(url), path=file.path
            ),
            side=self._client.side,
        )

    def _wrong_size(self, file: RepoFile) -> IntegrityError:
        return IntegrityError(
            _("{path} is not as long as it is listed.").format(path=file.path),
            side=self._client.side,
            hint=_("It may have changed meanwhile: run the same command again."),
        )
