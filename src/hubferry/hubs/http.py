"""One HTTP client for both hubs: a token that stays at its origin, redirects by hand, errors with meaning.

One attempt a request; `hubferry.retry` tries again. Nothing here puts a token or the query of a foreign
address into an error: object storage signs its addresses in the query.
"""

from __future__ import annotations

import io
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from hubferry import __version__
from hubferry.errors import HubferryError, NetworkError, Side, UsageError
from hubferry.hubs.addresses import endpoint_of, host_of, is_loopback, origin, without_query
from hubferry.hubs.answers import Answer
from hubferry.hubs.connections import FailuresNamed
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    import aiohttp

CONNECT_SECONDS = 20.0
SILENCE_SECONDS = 60.0
CONNECTIONS = 64
_KEPT_OPEN_SECONDS = 15.0
READ_BUFFER = 1 << 16
"""Bytes a connection may hold unread. One read of the loop is 256 KiB; with more room aiohttp joins several
into one piece, which costs a copy of every byte."""
USER_AGENT = f"hubferry/{__version__}"
LARGEST_ANSWER = 1 << 28
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 8
_LARGE_BODY = 1 << 19
_RESERVED = ":/?#[]@!$&'()*+,;=%"


@dataclass(frozen=True, slots=True)
class Request:
    """One request before it is sent.

    Attributes:
        method: GET, HEAD, POST or PUT.
        url: Absolute.
        headers: Without those of the login, which are added where they belong.
        body: Bytes, or an asynchronous generator whose length a Content-Length header states.
        silence: Seconds without a byte after which to give up, None for what is usual.
        trusted: Whether `url`, when elsewhere than at the endpoint, may see the token nevertheless.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | AsyncGenerator[memoryview, None] | None = field(default=None, repr=False)
    silence: float | None = None
    trusted: bool = False


class HubClient:
    """Talks to one hub as one account."""

    def __init__(
        self,
        endpoint: str,
        token: str | None,
        *,
        side: Side,
        login: Callable[[str], Mapping[str, str]],
        connections: int | None = None,
        allow_insecure: bool = False,
    ) -> None:
        """Prepare; nothing is imported or opened before the first request.

        Args:
            endpoint: Where the hub is, for example `https://huggingface.co`.
            token: The account's, None to read anonymously.
            side: For errors.
            login: Makes request headers of a token.
            connections: Most connections at a time.
            allow_insecure: Whether the token may travel unencrypted to another machine.

        Raises:
            UsageError: The endpoint is no web address, or the token would travel unencrypted.
        """
        self.endpoint = endpoint.rstrip("/")
        self.token = token or None
        self.side: Side = side
        self._login = login
        self._connections = connections or CONNECTIONS
        self.silence = silence_seconds()
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self._origin = origin(self.endpoint)
        self._below = self.endpoint + "/"
        if self._origin is None:
            raise UsageError(
                _("“{endpoint}” is not the web address of a hub.").format(
                    endpoint=without_query(self.endpoint)
                ),
                side=side,
                hint=_("An endpoint looks like https://hub.example.com"),
            )
        if token and self._origin[0] == "http" and not (allow_insecure or is_loopback(self._origin[1])):
            raise UsageError(
                _("The token would travel unencrypted to {host}.").format(host=self._origin[1]),
                side=side,
                hint=_("Use https, or allow it in so many words if you trust the network in between."),
            )

    @property
    def host(self) -> str:
        """The hub's host and port, for messages."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2]

    def is_own(self, url: str) -> bool:
        """Return whether `url` is at the hub's own origin."""
        return url.startswith(self._below) or origin(url) == self._origin

    async def ask(self, request: Request, *, follow: bool = True) -> Answer:
        """Send a request and read its whole answer, whatever its status.

        Raises:
            NetworkError: No answer, or not all of it.
        """
        async with self.stream(request, follow=follow) as response:
            body = bytearray()
            with self.failures_named():
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > LARGEST_ANSWER:
                        raise NetworkError(
                            _("{host} answered without end.").format(host=self.host), side=self.side
                        )
            return Answer(response.status, response.headers, bytes(body), str(response.url))

    @asynccontextmanager
    async def stream(self, request: Request, *, follow: bool = True) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and follow its redirects; the answer's body is the caller's to read.

        The token is sent to the hub's own origin, and to none that a redirect leads to, nor back from there.
        Only GET and HEAD are followed to another origin.
        """
        trusted = request.trusted or self.is_own(request.url)
        response = await self._send(request, trusted=trusted)
        try:
            url = request.url
            for _hop in range(_MOST_REDIRECTS):
                target = self.redirect(request.method, url, response) if follow else None
                if target is None:
                    break
                response.release()
                trusted = trusted and origin(target) == origin(url)
                url = target
                onward = Request(request.method, url, request.headers, request.body, request.silence)
                response = await self._send(onward, trusted=trusted)
            else:
                raise NetworkError(_("{host} redirects in a circle.").format(host=self.host), side=self.side)
            yield response
        finally:
            # What was not read to its end is not worth draining: the connection goes.
            response.release() if response.content.at_eof() else response.close()

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def failures_named(self, url: str | None = None) -> FailuresNamed:
        """Turn what aiohttp raises in a `with` block into a NetworkError of ours."""
        return FailuresNamed(self.host if url is None else host_of(url), self.side)

    async def _send(self, request: Request, *, trusted: bool) -> aiohttp.ClientResponse:
        import aiohttp
        from yarl import URL

        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **request.headers}
        if trusted and self.token:
            headers = {**self._login(self.token), **headers}
        silence = self.silence if request.silence is None else max(request.silence, self.silence)
        if silence not in self._timeouts:
            connect = min(CONNECT_SECONDS, self.silence)
            self._timeouts[silence] = aiohttp.ClientTimeout(sock_connect=connect, sock_read=silence)
        with self.failures_named(request.url):
            return await self._opened().request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=_piecemeal(request.body),
                allow_redirects=False,
                timeout=self._timeouts[silence],
                proxy=self._proxy(request.url),
            )

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections,
                    ttl_dns_cache=300,
                    # aiohttp's watch over a silent peer may outlive an answer that came at once, and then
                    # spoils the connection while it is idle: use none that has been idle nearly so long
                    keepalive_timeout=min(_KEPT_OPEN_SECONDS, self.silence / 2),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=READ_BUFFER,
            )
        return self._session

    def _proxy(self, url: str) -> str | None:
        """Return the environment's proxy; aiohttp's `trust_env` would read ~/.netrc at each request."""
        parts = urlsplit(url)
        if parts.netloc not in self._proxies:
            proxies = {} if proxy_bypass(parts.netloc) else getproxies()
            self._proxies[parts.netloc] = proxies.get(parts.scheme) or proxies.get("all")
        return self._proxies[parts.netloc]

    def redirect(self, method: str, url: str, response: aiohttp.ClientResponse) -> str | None:
        """Return where an answer redirects to, None for one that does not.

        Raises:
            HubferryError: To a place where nothing of ours should go.
        """
        location = response.headers.get("Location")
        if response.status not in _REDIRECTS or not location:
            return None
        # Some servers name a file in Location as it is: blanks and letters that no address may hold.
        try:
            target = quote(urljoin(url, location), safe=_RESERVED)
        except ValueError:
            target = ""
        self._check_redirect(method, url, target)
        return target

    def _check_redirect(self, method: str, url: str, target: str) -> None:
        if origin(target) is None:
            raise NetworkError(
                _("{host} redirects to no web address.").format(host=self.host), side=self.side
            )
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise NetworkError(
                _("{host} redirects to an unencrypted address.").format(host=self.host), side=self.side
            )
        if method not in ("GET", "HEAD") and origin(target) != origin(url):
            raise HubferryError(
                _("{host} does not take changes: it sends them on to {other}.").format(
                    host=host_of(url), other=host_of(target)
                ),
                side=self.side,
                hint=_("Write to that hub itself: set its endpoint to {endpoint}").format(
                    endpoint=endpoint_of(target)
                ),
            )


def _piecemeal(body: bytes | AsyncGenerator[memoryview, None] | None) -> Any:
    """Return a body as aiohttp sends it without holding the event loop: a large one bit by bit."""
    return io.BytesIO(body) if isinstance(body, bytes) and len(body) > _LARGE_BODY else body


def silence_seconds() -> float:
    """Return how long a connection may say nothing: HUBFERRY_TIMEOUT in seconds, else a minute."""
    try:
        seconds = float(os.environ.get("HUBFERRY_TIMEOUT", ""))
    except ValueError:
        return SILENCE_SECONDS
    return seconds if seconds > 0 else SILENCE_SECONDS


def json_body(value: Any) -> bytes:
    """Encode a request's body."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
