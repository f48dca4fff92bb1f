"""Running the hub's application: bind, report requests, stop."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from hubferry.serve.application import LABELS
from hubferry.serve.hub import HUB, AccessRecord, hub_of

_HEAD_BYTES = 32 << 10
_LOGGER = logging.getLogger("hubferry.serve.access")


class _Recorder(AbstractAccessLogger):
    """Hand each answered request to the hub's `Seams.record`."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Make the record of one request."""
        if not isinstance(request, web.Request):
            return
        record = hub_of(request).seams.record
        if record is not None:
            record(
                AccessRecord(
                    request.method,
                    request.path,
                    request.query_string,
                    LABELS.get(request.match_info.handler, ""),
                    response.status,
                    request.content.total_bytes,
                    response.body_length,
                    time,
                    request.headers.get("User-Agent", ""),
                )
            )


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A hub that answers; `stop` ends it."""

    runner: web.AppRunner
    host: str
    port: int

    @property
    def url(self) -> str:
        """The address clients use."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        await self.runner.cleanup()


async def start(application: web.Application, host: str = "127.0.0.1", port: int = 0) -> RunningHub:
    """Serve `application`; port 0 takes a free one.

    Raises:
        OSError: The address is taken or not ours.
    """
    recording = application[HUB].seams.record is not None
    runner = web.AppRunner(
        application,
        access_log_class=_Recorder,
        access_log=_LOGGER if recording else None,
        handle_signals=False,
        shutdown_timeout=2.0,
        max_line_size=_HEAD_BYTES,
        max_field_size=_HEAD_BYTES,
        keepalive_timeout=75.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except BaseException:
        await runner.cleanup()
        raise
    address = runner.addresses[0]
    return RunningHub(runner, host, int(address[1]))
