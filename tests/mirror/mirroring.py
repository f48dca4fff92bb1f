"""Mirrors for tests, on a thread of this process, and what to ask them with."""

from __future__ import annotations

import asyncio
import contextlib
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers import CREDENTIALS, Requests, served

from hubferry.cache.store import Cache
from hubferry.mirror.application import MIRROR, OpenPolicy, attach
from hubferry.mirror.mirror import Wishes
from hubferry.mirror.upstreams import Upstream
from hubferry.patience import Policy as Patience
from hubferry.serve import Policy, Seams, Store, create_application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hubferry.mirror.mirror import Mirror

IMPATIENT = Patience(patience=3.0, attempts=8, first=0.01)


@dataclass(frozen=True)
class TestMirror:
    """A running mirror."""

    __test__ = False

    url: str
    root: Path
    mirror: Mirror
    store: Store
    loop: asyncio.AbstractEventLoop
    requests: Requests = field(default_factory=Requests)

    def do(self, work):
        """Await something of the mirror's on its own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def settle(self) -> None:
        """Return when all that has come is in the cache and no directory is held."""

        async def settled() -> None:
            contents, shelf = self.mirror.contents, self.mirror.shelf
            while contents._tasks or contents._small or contents._large:
                await asyncio.gather(*contents._tasks, *contents._small.values(), return_exceptions=True)
            for task in list(shelf._slots.values()):
                slot = await task
                assert not slot.users
            await shelf.close()

        self.do(settled())

    @property
    def counts(self):
        return self.mirror.counts


@contextlib.contextmanager
def running_mirror(  # one for each part
    root: Path,
    store: Path,
    *,
    hf: str | None = None,
    ms: str | None = None,
    upstreams: tuple[Upstream, ...] | None = None,
    policy: Policy | None = None,
    seams: Seams | None = None,
    **wishes,
) -> Iterator[TestMirror]:
    """Run a mirror whose cache is at `root`; an endpoint for each dialect, or `upstreams`."""
    if upstreams is None:
        given = (("hf", hf), ("ms", ms))
        upstreams = tuple(Upstream(name, name, url) for name, url in given if url is not None)
    requests = Requests()
    base = seams or Seams()
    application = create_application(
        own := Store(store),
        policy or OpenPolicy(CREDENTIALS, writable=True),
        seams=Seams(middlewares=[requests.begin, *base.middlewares], record=requests.note, pace=base.pace),
    )
    wishes.setdefault("patience", IMPATIENT)
    attach(application, Cache(root, roots=[root]), Wishes(upstreams, **wishes))
    with served(application, "mirror") as (url, loop):
        yield TestMirror(url, root, application[MIRROR], own, loop, requests)


@dataclass(frozen=True)
class Answer:
    """What a mirror said."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    url: str, token: str | None = None, method: str = "GET", data: bytes | None = None, **headers
) -> Answer:
    """Ask; refusals and broken bodies are answers as well."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, method=method, data=data, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())
