"""One hub behind a shaped door, in a process of its own, told what to do by JSON lines on standard input.

Started by `benchmarks.hubs`; not meant to be run by hand.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks.flow import Line
from benchmarks.links import LINKS, Rates
from benchmarks.shaping import Connection
from hubferry.serve import AccessRecord, Policy, Seams, Store, create_application
from hubferry.serve.server import start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

_COMMITS = ("hf:commit", "ms:commit")


class Ledger:
    """What was asked since somebody last looked."""

    def __init__(self, line: Line) -> None:
        """Begin empty."""
        self._line = line
        self._routes: Counter[str] = Counter()
        self._commits = 0

    def record(self, record: AccessRecord) -> None:
        """Count one answered request."""
        self._routes[f"{record.method} {record.route}"] += 1
        self._commits += record.route in _COMMITS and record.status == 200
        if not self._line.limited:
            self._line.sent += record.sent  # files go past the door there, by sendfile

    def drain(self) -> dict[str, Any]:
        """Return the counts and begin anew."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        found = {
            "requests": sum(self._routes.values()),
            "commits": self._commits,
            "received": self._line.received,
            "sent": self._line.sent,
            "routes": dict(self._routes),
            "cpu": usage.ru_utime + usage.ru_stime,
        }
        self._routes.clear()
        self._commits = self._line.received = self._line.sent = 0
        return found


async def serve(root: Path, side: str) -> None:
    """Serve the store in `root` until standard input ends; `side` picks the rates of a link."""
    line = Line()
    ledger = Ledger(line)

    async def wait(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if line.rates.latency:
            await asyncio.sleep(line.rates.latency)
        return await handler(request)

    from aiohttp import web

    application = create_application(
        Store(root), Policy(writable=True), seams=Seams([web.middleware(wait)], record=ledger.record)
    )
    running = await start(application)
    protocol = running.runner.server
    if protocol is None:
        raise RuntimeError("the hub did not start")
    door = await asyncio.get_running_loop().create_server(
        lambda: Connection(line, protocol()), "127.0.0.1", 0, backlog=1024
    )
    _say({"url": f"http://127.0.0.1:{door.sockets[0].getsockname()[1]}"})
    await _obey(line, ledger, side)
    door.close()
    await running.stop()


async def _obey(line: Line, ledger: Ledger, side: str) -> None:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while text := await commands.readline():
        command = json.loads(text)
        if link := command.get("link"):
            rates: Rates = getattr(LINKS[link], side)
            line.shape(rates)
            _say({})
        else:
            await asyncio.sleep(0.05)  # the last answers are recorded just after they were sent
            _say(ledger.drain())


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2]))
