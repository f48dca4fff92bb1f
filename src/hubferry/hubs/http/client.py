"""One HTTP client for both hubs: a token that stays at its origin, redirects by hand, errors with meaning.

One attempt a request; `hubferry.retry` tries again. Nothing here puts a token or the query of a foreign
address into an error: object storage signs its addresses in the query.
"""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from hubferry import __version__, budget
from hubferry.errors import BusyError, HubferryError, NetworkError, Side, UsageError
from hubferry.hubs.http import insecure, unpacking
from hubferry.hubs.http.addresses import endpoint_of, host_of, origin, without_query
from hubferry.hubs.http.answers import LARGEST_ANSWER, Answer, keep_out, limits_left, used_up
from hubferry.hubs.http.failures import FailuresNamed
from hubferry.i18n import _
from hubferry.wire import files
from hubferry.wire.failures import AddressError
from hubferry.wire.place import Place
from hubferry.wire.pool import Incoming, Outgoing, Pool
from hubferry.wire.proxies import basic, proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from hubferry.model import Span
    from hubferry.wire.head import Head

CONNECT_SECONDS = 20.0
SILENCE_SECONDS = 60.0
CONNECTIONS = 64
_KEPT_OPEN_SECONDS = 15.0
USER_AGENT = f"hubferry/{__version__}"
_LOGGER = logging.getLogger(__name__)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 8
_TOO_MANY = 429
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
        most: Bytes that the answer may have, unpacked, when it is read as a whole.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | AsyncGenerator[memoryview | Span, None] | None = field(default=None, repr=False)
    silence: float | None = None
    trusted: bool = False
    most: int = LARGEST_ANSWER


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
        keep_out(self.token)
        self.side: Side = side
        self._login = login
        self._connections = connections or CONNECTIONS
        self.silence = silence_seconds()
        self._pool: Pool | None = None
        self._known_places: dict[str, tuple[Place, dict[str, str]]] = {}
        self._budget = budget.of(self.endpoint)
        self._requests = self._budget.requests(self.token)
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
        if token and not (allow_insecure or insecure.is_allowed(*self._origin)):
            raise insecure.refusal(self.host, side)

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
        answer = await self.ask_for(request, request.most, follow=follow)
        body, encoding = answer.body, answer.headers.get("Content-Encoding", "identity").lower()
        if len(body) <= request.most and body and unpacking.possible(encoding):
            with self.failures_named(answer.url):
                body = unpacking.unpack(body, request.most)
        if len(body) > request.most:
            message = _("{host} answered with more than {count} MiB where that cannot be.")
            raise NetworkError(
                message.format(host=host_of(answer.url), count=request.most >> 20), side=self.side
            )
        return replace(answer, body=body, most=request.most)

    async def ask_for(self, request: Request, most: int, *, follow: bool = True) -> Answer:
        """Send a request and read its answer as it came; of a body longer than `most` bytes not all.

        Redirects are followed as `stream` does.

        Raises:
            NetworkError: No answer, or not all of it.
        """
        trusted, url = request.trusted or self.is_own(request.url), request.url
        self._refuse_beyond_limit(url)
        if self._requests.scarce and self.is_own(url):
            await self._requests.turn(url, self._budget.tell)
        for _hop in range(_MOST_REDIRECTS):
            with self.failures_named(url, request.url):
                place, outgoing = self._outgoing(request, url, trusted=trusted)
                begun = monotonic()
                head, body = await self._opened().ask(place, outgoing, most)
            self._note_limit(url, head)
            _note(request.method, url, head.status, begun)
            target = self.redirect(request.method, url, head) if follow else None
            if target is None:
                return Answer(head.status, head.headers, bytes(body), url)
            trusted = trusted and origin(target) == origin(url)
            url = target
        raise self._circle()

    @asynccontextmanager
    async def stream(self, request: Request, *, follow: bool = True) -> AsyncIterator[Incoming]:
        """Send a request and follow its redirects; the answer's body is the caller's to read.

        The token is sent to the hub's own origin, and to none that a redirect leads to, nor back from there.
        Only GET and HEAD are followed to another origin. What is left unread costs the connection.
        """
        trusted, url = request.trusted or self.is_own(request.url), request.url
        self._refuse_beyond_limit(url)
        if self._requests.scarce and self.is_own(url):
            await self._requests.turn(url, self._budget.tell)
        for _hop in range(_MOST_REDIRECTS):
            async with AsyncExitStack() as stack:
                begun = monotonic()
                with self.failures_named(url, request.url):
                    response = await self._sent(stack, request, url, trusted=trusted)
                self._note_limit(url, response)
                _note(request.method, url, response.status, begun)
                target = self.redirect(request.method, url, response) if follow else None
                if target is None:
                    yield response
                    return
                with self.failures_named(url):
                    await response.finish()
            trusted = trusted and origin(target) == origin(url)
            url = target
        raise self._circle()

    def sends_files(self, url: str) -> bool:
        """Return whether a body for `url` may have spans: it is sent there from the file, unread by us."""
        with self.failures_named(url):
            place = self._place(url)[0]
        return files.POSSIBLE and (place.plain or place.direct)

    async def close(self) -> None:
        """Close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def failures_named(self, url: str | None = None, asked: str | None = None) -> FailuresNamed:
        """Turn what `hubferry.wire` raises in a `with` block into a NetworkError of ours.

        Args:
            url: What is asked for there; the endpoint if None.
            asked: What was asked for before redirects.
        """
        return FailuresNamed(self.endpoint if url is None else url, self.side, asked)

    def _note_limit(self, url: str, answer: Incoming | Head) -> None:
        """Remember when the hub takes requests again, where this was the last one for now."""
        if answer.status == _TOO_MANY or not self.is_own(url):
            return
        seconds = used_up(answer.headers)
        if seconds is not None:
            self._requests.resume_at = max(self._requests.resume_at, monotonic() + seconds)
        elif self._requests.shared and (limits := limits_left(answer.headers)):
            self._requests.note(url, limits)

    def _refuse_beyond_limit(self, url: str) -> None:
        """Send nothing that the hub has said beforehand to refuse.

        Raises:
            BusyError: With the time until the hub takes requests again.
        """
        seconds = self._requests.resume_at - monotonic()
        if seconds > 0 and self.is_own(url):
            message = _("{host} takes no more requests for now: its limit is used up.")
            error = BusyError(message.format(host=self.host), side=self.side, retry_after=seconds)
            error.kind = "limited"
            raise error

    async def _sent(self, stack: AsyncExitStack, request: Request, url: str, *, trusted: bool) -> Incoming:
        place, outgoing = self._outgoing(request, url, trusted=trusted)
        return await stack.enter_async_context(self._opened().exchange(place, outgoing, url))

    def _outgoing(self, request: Request, url: str, *, trusted: bool) -> tuple[Place, Outgoing]:
        """Return where a request goes and what is sent there."""
        place, own = self._place(url)
        target = f"{place.scheme}://{own['Host']}{_target(url)}" if place.forwarded else _target(url)
        headers = {**own, **request.headers}
        if trusted and self.token:
            headers = {**self._login(self.token), **headers}
        body = request.body
        if isinstance(body, bytes):
            headers["Content-Length"] = str(len(body))
        silence = self.silence if request.silence is None else max(request.silence, self.silence)
        return place, Outgoing(request.method, target, headers, body, silence)

    def _circle(self) -> NetworkError:
        return NetworkError(_("{host} redirects in a circle.").format(host=self.host), side=self.side)

    def _opened(self) -> Pool:
        if self._pool is None:
            self._pool = Pool(
                limit=self._connections,
                connect_seconds=min(CONNECT_SECONDS, self.silence),
                kept_seconds=min(_KEPT_OPEN_SECONDS, self.silence / 2),
                shared=self._budget.connections,
            )
        return self._pool

    def _place(self, url: str) -> tuple[Place, dict[str, str]]:
        """Return where an address leads, and the headers that every request to it has.

        Raises:
            AddressError: It is no web address, or the environment's proxy has none.
        """
        key = self.endpoint if url.startswith(self._below) else "://".join(urlsplit(url)[:2])
        known = self._known_places.get(key)
        if known is None:
            parts, where = urlsplit(url), origin(url)
            if where is None:
                raise AddressError
            scheme, host, port = where
            proxy = proxy_for(scheme, host_of(url))
            place = Place(scheme, host.encode("idna").decode() if not host.isascii() else host, port, proxy)
            own = {"Host": host_of(url), "User-Agent": USER_AGENT, "Accept": "*/*"}
            own["Accept-Encoding"] = "identity"
            if parts.username is not None:
                own["Authorization"] = basic(parts.username, parts.password)
            if proxy is not None and place.forwarded:
                own |= proxy.headers
            known = self._known_places[key] = (place, own)
        return known

    def redirect(self, method: str, url: str, response: Incoming | Head) -> str | None:
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
                _("{host} redirects to no web address.").format(host=host_of(url)), side=self.side
            )
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            message = _("{host} redirects to an unencrypted address at {other}.")
            raise NetworkError(message.format(host=host_of(url), other=host_of(target)), side=self.side)
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


def _note(method: str, url: str, status: int, begun: float) -> None:
    """Write down a request that was answered, for `-vv`: without its query, in which signatures are."""
    if _LOGGER.isEnabledFor(logging.DEBUG):
        _LOGGER.debug("%s %s %d %.3f s", method, without_query(url), status, monotonic() - begun)


def _target(url: str) -> str:
    """Return the path and the query of an address."""
    rest = url.partition("://")[2].partition("#")[0]
    at = min((found for found in (rest.find("/"), rest.find("?")) if found >= 0), default=len(rest))
    return rest[at:] if rest[at : at + 1] == "/" else "/" + rest[at:]


def silence_seconds() -> float:
    """Return how long a connection may say nothing: HUBFERRY_TIMEOUT in seconds, else a minute."""
    try:
        seconds = float(os.environ.get("HUBFERRY_TIMEOUT", ""))
    except ValueError:
        return SILENCE_SECONDS
    return seconds if seconds > 0 else SILENCE_SECONDS


def json_body(value: Any) -> bytes:
    """Encode a request's body."""
    import msgspec  # not needed by a run that only reads

    return msgspec.json.encode(value)
