"""Real hubs for tests: on a thread of this process, or as `hubferry serve` in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aiohttp import web, web_app

import forked
from hubferry.hubs.xet.folder import read_xet_file
from hubferry.serve import (
    AccessRecord,
    Account,
    Credential,
    Policy,
    Public,
    Seams,
    ServerLimits,
    Signer,
    Store,
    Strictness,
    XetStorage,
)
from hubferry.serve.application import create_application
from hubferry.serve.hub import HUB
from hubferry.serve.parts import PartUploads
from hubferry.serve.server import start

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

WRITE_TOKEN = "hf_test_write"
READ_TOKEN = "hf_test_read"
HERE = Path(__file__).parent
USER = "tester"
CREDENTIALS = (
    Credential(WRITE_TOKEN, Account(USER)),
    Credential(READ_TOKEN, Account("reader", may_write=False)),
)


class Requests:
    """The requests a hub has answered, in order; every question waits until those in flight are answered."""

    def __init__(self) -> None:
        self._answered: list[AccessRecord] = []
        self._begun = 0

    @web.middleware
    async def begin(self, request, handler):
        self._begun += 1
        return await handler(request)

    def note(self, record: AccessRecord) -> None:
        self._answered.append(record)

    def clear(self) -> None:
        self._settle()
        self._begun = 0
        self._answered.clear()

    @property
    def records(self) -> list[AccessRecord]:
        self._settle()
        return list(self._answered)

    def _settle(self) -> None:
        # a client has its answer a moment before the hub notes it; one that broke off is noted never
        for _ in range(200):
            if len(self._answered) >= self._begun:
                return
            time.sleep(0.005)

    def routes(self) -> list[str]:
        return [record.route for record in self.records]

    def count(self, *routes: str) -> int:
        return sum(record.route in routes for record in self.records)

    @property
    def commits(self) -> int:
        return sum(r.route in ("hf:commit", "ms:commit") and r.status == 200 for r in self.records)

    @property
    def blobs_received(self) -> int:
        return sum(r.route == "storage:put" and r.status == 200 for r in self.records)

    @property
    def bytes_received(self) -> int:
        return sum(record.received for record in self.records)

    @property
    def bytes_sent(self) -> int:
        return sum(record.sent for record in self.records)


@dataclass(frozen=True)
class TestHub:
    """A running hub: where it is, what it holds, and what it was asked."""

    __test__ = False

    url: str
    store: Store
    token: str = WRITE_TOKEN
    read_token: str = READ_TOKEN
    user: str = USER
    requests: Requests = field(default_factory=Requests)
    parts: PartUploads = field(default_factory=PartUploads)

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment for an SDK or a command in a process of its own, with `home` as HOME."""
        return sdk_environment(home, hf=self, ms=self)


def sdk_environment(home: Path, *, hf: TestHub | None = None, ms: TestHub | None = None) -> dict[str, str]:
    """Return an environment in which the SDKs find the hubs, and nothing of the real HOME."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "MODELSCOPE_", "HUBFERRY_", "XDG_"))
        and not name.lower().endswith("_proxy")
    }
    environment |= {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "HF_HOME": str(home / "huggingface"),
        "HUBFERRY_CACHE": str(home / "cache"),
        "MODELSCOPE_CACHE": str(home / "modelscope"),
        "MODELSCOPE_HOME": str(home / "modelscope-home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    if hf is not None:
        environment |= {"HF_ENDPOINT": hf.url, "HF_TOKEN": hf.token}
    if ms is not None:
        environment |= {"MODELSCOPE_ENDPOINT": ms.url, "MODELSCOPE_API_TOKEN": ms.token}
    return environment


def _both(first, second):
    def record(answered: AccessRecord) -> None:
        first(answered)
        if second is not None:
            second(answered)

    return record


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """Return the kind of loop that `hubferry serve` runs on.

    It matters: asyncio's own one, up to Python 3.11, loses the socket of a client that it accepts while the
    listener closes (`Server._attach` asserts), and a lost socket is an error in this suite.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _end_what_is_left() -> None:
    """End the handlers of clients that went away without a word; a task that outlives its loop complains."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@contextlib.contextmanager
def running_hub(  # noqa: PLR0913  # one for each part of a hub
    root: Path,
    *,
    policy: Policy | None = None,
    limits: ServerLimits | None = None,
    seams: Seams | None = None,
    signer: Signer | None = None,
    initial_files: bool = False,
    xet: bool = False,
    port: int = 0,
    strict: Strictness | None = None,
    public: Public | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[TestHub]:
    """Run a hub over `root` in a thread of this process; both tokens of this module are known to it.

    `strict=Strictness.real()` refuses as the real hubs do, `strict=Strictness(cards=True)` in one regard.
    """
    requests = Requests()
    seams = seams or Seams()
    application = create_application(
        store := Store(root),
        policy or Policy(CREDENTIALS, writable=True),
        limits=limits,
        seams=replace(
            seams,
            middlewares=[requests.begin, *seams.middlewares],
            record=_both(requests.note, seams.record),
        ),
        signer=signer,
        initial_files=initial_files,
        xet=XetStorage(root, read_xet_file) if xet else None,
        strict=strict,
        public=public,
    )
    with served(application, "hub", port=port, tls=tls) as (url, _loop):
        yield TestHub(url, store, requests=requests, parts=application[HUB].parts)


@contextlib.contextmanager
def served(
    application: web.Application, name: str, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, asyncio.AbstractEventLoop]]:
    """Serve an application in a thread of that name; give its address and its loop."""
    loop = _new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(start(application, port=port, tls=tls), loop).result(10)
    try:
        yield running.url, loop
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result(20)
        asyncio.run_coroutine_threadsafe(_end_what_is_left(), loop).result(10)
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        _forget_applications()


def _forget_applications() -> None:
    """Let aiohttp forget the hubs that are gone: it keeps the last 1,024, and a suite has thousands."""
    kept = getattr(web_app, "_cached_build_middleware", None)
    if kept is not None:
        kept.cache_clear()


@dataclass(frozen=True)
class HubProcess:
    """`hubferry serve` in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    token: str = WRITE_TOKEN
    port: int = 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def hub_process(
    root: Path,
    *options: str,
    token: str | None = WRITE_TOKEN,
    environment: dict[str, str] | None = None,
    stderr: IO[bytes] | None = None,
) -> Iterator[HubProcess]:
    """Run `hubferry serve ROOT --port 0 --writable`, wait for its address, end it with SIGTERM."""
    given = dict(os.environ if environment is None else environment)
    given.pop("HUBFERRY_TOKEN", None)
    if token is not None:
        given["HUBFERRY_TOKEN"] = token
    line = [
        sys.executable,
        "-m",
        "hubferry",
        "serve",
        str(root),
        "--port",
        "0",
        "--writable",
        "--json",
        *options,
    ]
    process = forked.Popen(line, stdout=subprocess.PIPE, stderr=stderr, text=True, env=given)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        if not first:
            raise RuntimeError(f"hubferry serve ended with {process.wait(10)}")
        told = json.loads(first)
        yield HubProcess(told["url"], process, port=told["port"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        process.stdout.close()
