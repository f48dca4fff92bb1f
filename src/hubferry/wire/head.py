"""Read the head of an answer, and the bodies whose end only a parser can find. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from hubferry.wire.failures import BrokenOffError
from hubferry.wire.headers import Headers

_LONGEST_HEAD = 256 * 1024
_FINAL = 200
_NO_CONTENT, _NOT_MODIFIED = 204, 304


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer says before its body.

    Attributes:
        status: The final one; 1xx answers are passed over.
        headers: As they came.
        length: Bytes of the body, None where its end is found otherwise.
    """

    status: int
    headers: Headers
    length: int | None


class HeadParser:
    """Reads one answer with llhttp, and counts what is left of a body whose length is known."""

    def __init__(self, *, bodyless: bool) -> None:
        """Begin; `bodyless` is for the answer to a HEAD, which announces a body that does not come."""
        self._bodyless = bodyless
        self._parser = HttpResponseParser(self)
        self._headers = Headers()
        self._body: list[bytes] = []
        self._fed = 0
        self.head: Head | None = None
        self.left: int | None = None
        self.complete = False
        self.surplus = False
        self.keeps_alive = False

    @property
    def until_the_end(self) -> bool:
        """Whether the body ends where the connection does."""
        return self.head is not None and self.head.length is None and not self._chunked

    def feed(self, data: memoryview) -> None:
        """Take in what came.

        Raises:
            BrokenOffError: It is no answer of HTTP, or its head does not end.
        """
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self.complete:
                raise BrokenOffError from None
            self.surplus = True
        if self.head is None and self._fed > _LONGEST_HEAD:
            raise BrokenOffError

    def take_body(self) -> list[bytes]:
        """Return what came of the body since the last time."""
        body, self._body = self._body, []
        return body

    @property
    def _chunked(self) -> bool:
        return self.head is not None and "transfer-encoding" in self.head.headers

    # -- what llhttp tells --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin an answer; a second one was not asked for."""
        self.surplus = self.surplus or self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Know the answer; what is only provisional is passed over."""
        status, headers = self._parser.get_status_code(), self._headers
        self._headers = Headers()
        if status < _FINAL or self.complete:
            return
        said = headers.get("content-length")
        self.keeps_alive = self._parser.should_keep_alive()
        self.head = Head(status, headers, int(said) if said is not None else None)
        if self._bodyless or status in (_NO_CONTENT, _NOT_MODIFIED):
            self.complete = True
        else:
            self.left = self.head.length

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        if self.complete:
            self.surplus = True
            return
        self._body.append(data)
        if self.left is not None:
            self.left -= len(data)

    def on_message_complete(self) -> None:
        """Know that the answer is whole."""
        self.complete = self.complete or self.head is not None
