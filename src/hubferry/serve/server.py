"""Running the hub's application: bind, report requests, stop."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

from hubferry.serve.addresses import LOOPBACK_ONLY, client_address, is_loopback
from hubferry.serve.application import LABELS
from hubferry.serve.hub import HUB, AccessRecord, hub_of
from hubferry.serve.refusal import Refusal

if TYPE_CHECKING:
    import ssl

_HEAD_BYTES = 32 << 10
_BACKLOG = 1024
_UNREADABLE = "UNKNOWN"
"""The method that aiohttp gives to a request whose head it could not read; it came to no application."""
_ACCESS = logging.getLogger("hubferry.serve.access")
_LOGGER = logging.getLogger(__name__)


def _is_ours(record: logging.LogRecord) -> bool:
    """Keep the hub's own faults; drop hang-ups, slow clients, and broken requests, which may hold a token."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, ConnectionError, web.RequestPayloadError, Refusal))


_LOGGER.addFilter(_is_ours)


class _Recorder(AbstractAccessLogger):
    """Hand each answered request to the hub's `Seams.record`."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Make the record of one request."""
        if not isinstance(request, web.Request) or request.method == _UNREADABLE:
            return
        record = hub_of(request).seams.record
        if record is None:
            return
        record(
            AccessRecord(
                method=request.method,
                path=request.path,
                query=request.query_string,
                route=LABELS.get(request.match_info.handler, ""),
                status=response.status,
                received=request.content.total_bytes,
                sent=response.body_length,
                seconds=time,
                user_agent=request.headers.get("User-Agent", ""),
                client=client_address(request),
            )
        )


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A hub that answers; `stop` ends it."""

    runner: web.AppRunner
    host: str
    port: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The address clients use."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        await self.runner.cleanup()


async def start(
    application: web.Application,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> RunningHub:
    """Serve `application`; port 0 takes a free one. With `tls` it speaks nothing but https.

    Raises:
        OSError: The address is taken or not ours.
    """
    hub = application[HUB]
    application[LOOPBACK_ONLY] = is_loopback(host)
    runner = web.AppRunner(
        application,
        access_log_class=_Recorder,
        access_log=_ACCESS if hub.seams.record is not None else None,
        logger=_LOGGER,
        handle_signals=False,
        shutdown_timeout=1.0,
        max_line_size=_HEAD_BYTES,
        max_field_size=_HEAD_BYTES,
        auto_decompress=False,  # no client compresses what it sends, and a bomb would
        # also for the first request of a connection, from aiohttp 3.14 on
        keepalive_timeout=hub.limits.idle_seconds,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG, ssl_context=tls).start()
    except BaseException:
        await runner.cleanup()
        raise
    return RunningHub(runner, host, int(runner.addresses[0][1]), "https" if tls is not None else "http")


def allow_many_connections() -> None:
    """Raise this process's limit on open files as far as the system lets it."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
