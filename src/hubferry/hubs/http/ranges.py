"""Read a byte range through redirects and expiring addresses, exactly or not at all."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from hubferry.errors import AccessError, HubferryError, NetworkError, NotFoundError, WrongFileError
from hubferry.hubs.http import mistaken, unpacking
from hubferry.hubs.http.addresses import host_of
from hubferry.hubs.http.answers import Answer, failure
from hubferry.hubs.http.client import HubClient, Request
from hubferry.hubs.http.refused import RefusedFiles

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from hubferry.hubs.http.refused import FileQuestion
    from hubferry.model import RepoFile
    from hubferry.wire.pool import Incoming

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_TOTAL = re.compile(r"bytes \*/(\d+)")
_OK, _PARTIAL_CONTENT, _UNSATISFIABLE, _NOT_IMPLEMENTED = 200, 206, 416, 501
_NOT_FINAL = range(200, 400)
"""What is no success here, and no refusal either: a 204, a redirect to nowhere."""
_REFUSALS = range(400, 500)
_LEGAL_REASONS = 451
_EXPIRED = frozenset({400, 401, 403, 404, 410})
_LARGEST_REFUSAL = 1 << 16
_DIRECT = ""
_ENOUGH = 2
"""Refusals of a part of a file after which all of it is asked for."""
_ROOM = 1024
"""Bytes by which compressing may make a small file longer."""
_FRESH = {"Cache-Control": "no-cache"}


class RangeReader:
    """Reads ranges of one hub's files; remembers where each file's bytes are until that address expires.

    Attributes:
        ignored: Whether the hub was seen to answer a range with the whole file, or not at all.
    """

    def __init__(self, client: HubClient) -> None:
        """Read over `client`."""
        self._client = client
        self._side = client.side
        self._places: dict[str, str] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._refused = RefusedFiles()
        self._without_parts: dict[str, int] = {}
        self._begun: set[int] = set()
        self._doubted: set[int] = set()
        self.ignored = False

    async def read(
        self, question: FileQuestion, start: int, stop: int | None
    ) -> AsyncGenerator[memoryview, None]:
        """Yield bytes `start` to `stop` of a file, which may be in object storage.

        Args:
            question: How the hub is asked for the file; what it lists is held against the answer.
            start: First byte.
            stop: Past the last byte, None for the file's end.

        Raises:
            WrongFileError: The file is not as long as it is listed, or the answer goes on too long.
            NetworkError: The answer ends early, or is not what was asked for.
            HubferryError: What a refusal stands for.
        """
        file = question.file
        stop = file.size if stop is None else stop
        if stop is not None and start >= stop:
            return
        part = None
        if not (start == 0 and stop == file.size) and self._gives_parts(question.url):
            part = f"bytes={start}-{'' if stop is None else stop - 1}"
        try:
            async with self._opened(question, self._headers(question.url, start, part)) as response:
                await self._accept(response, question, part)
                packed = self._is_packed(response, file)
                skip = self._skip(response, file, start, stop, packed=packed)
                count = None if stop is None else stop - start
                with self._client.failures_named(response.url):
                    async for piece in self._exactly(response, file, skip, count, packed=packed):
                        self._refused.given(question)
                        yield piece
        except HubferryError as error:
            self._note(question, error)
            raise

    async def whole(self, question: FileQuestion) -> bytes:
        """Return all of a small file, with one question; see `read`."""
        file, url = question.file, question.url
        size = file.size or 0
        try:
            answer = await self._client.ask_for(
                Request("GET", url, self._headers(url, 0, None)), size + _ROOM
            )
            if answer.status not in (_OK, _PARTIAL_CONTENT):
                raise await self._refusal(answer, question)
            self._refuse_page(answer.headers, _length(answer.headers), file, answer.url, answer.body)
            told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", f"bytes 0-{size - 1}/{size}"))
            if told is None or (int(told[1]), int(told[2])) != (0, size - 1):
                raise self._other_bytes(file, answer.url)
            content = answer.body
            if self._is_packed(answer, file):
                with self._client.failures_named(answer.url):
                    content = unpacking.unpack(content, size)
            if len(content) > size or (len(content) < size and "Content-Length" in answer.headers):
                raise mistaken.wrong_size(file, self._side)
            if len(content) < size:
                raise mistaken.broken_off(file, answer.url, self._side)
        except HubferryError as error:
            self._note(question, error)
            raise
        self._refused.given(question)
        return content

    def _note(self, question: FileQuestion, error: HubferryError) -> None:
        """Name the file in an error; what came in a wrong length is doubted wherever it is kept."""
        error.path = question.file.path
        if isinstance(error, WrongFileError):
            self._doubted.add(hash(question.url))
            self._places.pop(question.url, None)

    def _gives_parts(self, url: str) -> bool:
        return self._without_parts.get(url, 0) < _ENOUGH

    def _headers(self, url: str, start: int, part: str | None) -> dict[str, str]:
        """Return what to ask with. What a cache on the way holds may be older than the file.

        Whoever asks for the first byte once more was given wrong ones: then it is told to look again.
        """
        headers, key = {} if part is None else {"Range": part}, hash(url)
        if start == 0 and key in self._begun:
            self._doubted.add(key)
            self._places.pop(url, None)
        elif start == 0:
            self._begun.add(key)
        return headers | _FRESH if key in self._doubted else headers

    @asynccontextmanager
    async def _opened(self, question: FileQuestion, headers: dict[str, str]) -> AsyncIterator[Incoming]:
        """Open the storage's address while one is known and good, else ask the hub for it."""
        url = question.url
        if "Range" not in headers:
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

    async def _accept(self, response: Incoming, question: FileQuestion, part: str | None) -> None:
        """Raise unless the answer carries bytes of the file."""
        url, file = response.url, question.file
        if response.status == _OK:
            self._refuse_page(response.headers, response.length, file, url)
            return
        if response.status == _PARTIAL_CONTENT:
            encoding = _encoding(response.headers)
            if encoding != "identity":
                if part is not None and unpacking.possible(encoding):
                    self._count_refused_part(question.url)  # a part of what is compressed cannot be unpacked
                raise mistaken.compressed(file, url, encoding, self._side)
            return
        if part is not None and response.status in (_UNSATISFIABLE, _NOT_IMPLEMENTED):
            self._count_refused_part(question.url)
            told = _TOTAL.fullmatch(response.headers.get("Content-Range", ""))
            if told is not None and file.size not in (None, int(told[1])):
                raise mistaken.wrong_size(file, self._side)
            raise mistaken.no_ranges(file, url, response.status, self._side)
        with self._client.failures_named(url):
            body = await response.read(_LARGEST_REFUSAL)
        raise await self._refusal(Answer(response.status, response.headers, body, url), question)

    def _count_refused_part(self, url: str) -> None:
        count = self._without_parts[url] = self._without_parts.get(url, 0) + 1
        self.ignored = self.ignored or count >= _ENOUGH
        self._places.pop(url, None)

    async def _refusal(self, answer: Answer, question: FileQuestion) -> HubferryError:
        """Return what a refusal stands for."""
        side, url = self._side, answer.url
        if answer.status in _NOT_FINAL:
            return mistaken.no_content(question.file, url, answer.status, side)
        if answer.status == _UNSATISFIABLE:
            return mistaken.wrong_size(question.file, side)
        # A hub may keep its storage at its own origin: only the address it was asked by speaks of rights.
        if self._client.is_own(url) and (url == question.url or "X-Error-Code" in answer.headers):
            try:
                question.check(answer)
            except (AccessError, NotFoundError) as refusal:
                return await self._refused.explained(question, answer, refusal)
        error = failure(answer, host=host_of(url), side=side)
        if not error.retryable and answer.status in _REFUSALS and answer.status != _LEGAL_REASONS:
            # Storage refuses an address that the hub has just signed: a matter of seconds, not of rights.
            error = NetworkError(error.message, side=side)
        return error

    def _refuse_page(
        self,
        headers: Mapping[str, str],
        length: int | None,
        file: RepoFile,
        url: str,
        body: bytes | None = None,
    ) -> None:
        """Raise for a web page in place of a file: by its length, or by how it begins where it tells none."""
        if not mistaken.says_page(headers) or mistaken.may_be_page(file):
            return
        if length is None or file.size is None:
            differs = body is not None and mistaken.is_page(body)
        else:
            differs = length != file.size and _encoding(headers) == "identity"
        if differs:
            raise mistaken.page_instead_of_file(file, url, self._side)

    def _is_packed(self, response: Incoming | Answer, file: RepoFile) -> bool:
        """Return whether an answer has to be unpacked; one that is as long as the file is the file itself.

        Raises:
            NetworkError: It is compressed, and nothing here tells what the right bytes would be.
        """
        encoding = _encoding(response.headers)
        if encoding == "identity":
            return False
        known = file.size is not None and bool(file.sha256 or file.git_sha1)
        if not (known and unpacking.possible(encoding)):
            raise mistaken.compressed(file, response.url, encoding, self._side)
        return _length(response.headers) != file.size

    def _skip(self, response: Incoming, file: RepoFile, start: int, stop: int | None, *, packed: bool) -> int:
        """Return how many bytes of the answer come before the range, after holding its headers against it."""
        url, length = response.url, response.length
        if response.status == _OK:
            if not packed and None not in (length, file.size) and length != file.size:
                raise mistaken.wrong_size(file, self._side)
            self.ignored = self.ignored or start > 0
            return start
        told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if told is None or int(told[1]) != start or (stop is not None and int(told[2]) != stop - 1):
            raise self._other_bytes(file, url)
        if told[3] != "*" and file.size is not None and int(told[3]) != file.size:
            raise mistaken.wrong_size(file, self._side)
        if length is not None and length != int(told[2]) - start + 1:
            raise self._other_bytes(file, url)
        return 0

    async def _exactly(
        self, response: Incoming, file: RepoFile, skip: int, count: int | None, *, packed: bool
    ) -> AsyncGenerator[memoryview, None]:
        """Yield `count` bytes after `skip`; None is all the rest."""
        ranged = response.status == _OK and (skip > 0 or count != file.size)
        left, unseen = count, response.status == _OK and (packed or response.length is None)
        async for piece in unpacking.unpacked(response.pieces()) if packed else response.pieces():
            if unseen:
                self._refuse_page(response.headers, None, file, response.url, bytes(piece[:_ROOM]))
                unseen = False
            if skip >= len(piece):
                skip -= len(piece)
                continue
            wanted = piece[skip:] if skip else piece
            skip = 0
            if left is not None:
                if len(wanted) > left:
                    if not ranged:
                        raise mistaken.wrong_size(file, self._side)
                    wanted = wanted[:left]
                left -= len(wanted)
            if wanted:
                yield wanted
            if left == 0 and ranged:
                return
        if left or skip:
            raise mistaken.broken_off(file, response.url, self._side)

    def _other_bytes(self, file: RepoFile, url: str) -> NetworkError:
        return mistaken.other_bytes(file, url, self._side)


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "identity").strip().lower() or "identity"


def _length(headers: Mapping[str, str]) -> int | None:
    said = headers.get("Content-Length", "")
    return int(said) if said.isdecimal() else None
