"""`python -m benchmarks.http_candidates`: what reading costs with one HTTP client or another.

Each candidate is a process of its own that reads the same files from one hub on loopback, and keeps nothing:
one file of 1 GiB in ranges of 8 MiB, 16 at a time, and 2,000 files of 4 KiB, 48 at a time. `import` is what
its start costs over a bare interpreter. docs/adr/0005-a-client-of-our-own.md quotes it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.hubs import running_hub, store_folder
from benchmarks.measure import run
from benchmarks.repositories import build_big, build_many, publish
from hubferry.serve import Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.measure import Usage

PART = 8 << 20
AT_ONCE = {"large": 16, "small": 48}
_BUFFER = 1 << 20

Work = list[tuple[str, dict[str, str], int]]
"""Addresses, headers and the bytes that each answer has to bring."""


def _threads(count: int, work: Work, reader: Callable[[], Callable[[str, dict[str, str]], int]]) -> None:
    """Read with a blocking client, one of `reader`'s to each thread."""
    left = iter(work)
    lock = threading.Lock()

    def body() -> None:
        read = reader()
        while True:
            with lock:
                job = next(left, None)
            if job is None:
                return
            url, headers, size = job
            if read(url, headers) != size:
                raise SystemExit(f"{url}: not {size} bytes")

    threads = [threading.Thread(target=body) for _number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stdlib(count: int, work: Work) -> None:
    """Read with http.client into one buffer a thread."""

    def reader() -> Callable[[str, dict[str, str]], int]:
        address = urlsplit(work[0][0])
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        buffer = memoryview(bytearray(_BUFFER))

        def read(url: str, headers: dict[str, str]) -> int:
            connection.request("GET", url, headers=headers)
            answer, size = connection.getresponse(), 0
            while count := answer.readinto(buffer):
                size += count
            return size

        return read

    _threads(count, work, reader)


def urllib3(count: int, work: Work) -> None:
    """Read with urllib3, which requests uses."""
    import urllib3

    pool = urllib3.PoolManager(maxsize=count, block=True)

    def read(url: str, headers: dict[str, str]) -> int:
        answer = pool.request("GET", url, headers=headers, preload_content=False)
        size = sum(map(len, answer.stream(_BUFFER, decode_content=False)))
        answer.release_conn()
        return size

    _threads(count, work, lambda: read)


async def _tasks(count: int, work: Work, read: Callable[[str, dict[str, str]], Awaitable[int]]) -> None:
    left: Iterator[tuple[str, dict[str, str], int]] = iter(work)

    async def one() -> None:
        for url, headers, size in left:
            if await read(url, headers) != size:
                raise SystemExit(f"{url}: not {size} bytes")

    await asyncio.gather(*(one() for _number in range(count)))


def aiohttp(count: int, work: Work) -> None:
    """Read with aiohttp on uvloop."""
    import aiohttp
    import uvloop

    async def everything() -> None:
        connector = aiohttp.TCPConnector(limit=count)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def read(url: str, headers: dict[str, str]) -> int:
                size = 0
                async with session.get(url, headers=headers) as answer:
                    async for piece in answer.content.iter_any():
                        size += len(piece)
                return size

            await _tasks(count, work, read)

    uvloop.run(everything())


def httpx(count: int, work: Work) -> None:
    """Read with httpx (httpx2, as huggingface_hub does) on uvloop."""
    import httpx2
    import uvloop

    async def everything() -> None:
        limits = httpx2.Limits(max_connections=count, max_keepalive_connections=count)
        async with httpx2.AsyncClient(limits=limits, timeout=60) as client:

            async def read(url: str, headers: dict[str, str]) -> int:
                size = 0
                async with client.stream("GET", url, headers=headers) as answer:
                    async for piece in answer.aiter_raw():
                        size += len(piece)
                return size

            await _tasks(count, work, read)

    uvloop.run(everything())


def hubferry(count: int, work: Work) -> None:
    """Read with hubferry.wire on uvloop."""
    import uvloop

    from hubferry.wire.place import Place
    from hubferry.wire.pool import Outgoing, Pool

    async def everything() -> None:
        address = urlsplit(work[0][0])
        place = Place("http", address.hostname or "", address.port or 80)
        pool = Pool(limit=count, connect_seconds=20, kept_seconds=15)

        async def read(url: str, headers: dict[str, str]) -> int:
            target = url.partition(address.netloc)[2]
            outgoing = Outgoing("GET", target, {"Host": address.netloc, **headers})
            size = 0
            async with pool.exchange(place, outgoing, url) as answer:
                async for piece in answer.pieces():
                    size += len(piece)
            return size

        await _tasks(count, work, read)
        await pool.close()

    uvloop.run(everything())


CANDIDATES: dict[str, tuple[Callable[[int, Work], None], str]] = {
    "hubferry.wire": (hubferry, "uvloop, hubferry.wire.pool"),
    "aiohttp": (aiohttp, "uvloop, aiohttp"),
    "httpx": (httpx, "uvloop, httpx2"),
    "urllib3": (urllib3, "urllib3"),
    "http.client": (stdlib, "http.client"),
}


def main() -> None:
    """Measure every candidate, or be one of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_candidates", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--be", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.be:
        name, job = asked.be[0], json.loads(Path(asked.be[1]).read_text())
        CANDIDATES[name][0](job["count"], [tuple(one) for one in job["work"]])
        return
    with store_folder(2 << 30) as folder, tempfile.TemporaryDirectory() as scratch:
        store = Store(folder)
        made = {"large": publish(store, "big", lambda to: build_big(to, 1024)),
                "small": publish(store, "many", lambda to: build_many(to, 2000))}  # fmt: skip
        with running_hub(folder, "source") as hub:
            for kind, repository in made.items():
                base = f"{hub.url}/{repository.repo_id}/resolve/main/"
                job = Path(scratch) / f"{kind}.json"
                job.write_text(json.dumps({"count": AT_ONCE[kind], "work": _work(base, repository, kind)}))
                _table(kind, job, asked.runs)
    _imports(asked.runs)


def _work(base: str, repository: Any, kind: str) -> Work:
    if kind == "small":
        return [(base + path, {}, size) for path, size in repository.sizes.items()]
    url, size = _direct(base + repository.largest_path), repository.largest
    starts = range(0, size, PART)
    return [
        (url, {"Range": f"bytes={start}-{min(size, start + PART) - 1}"}, min(size, start + PART) - start)
        for start in starts
    ]


def _direct(url: str) -> str:
    """Return where a hub sends a download, so that no candidate has to follow it."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", address.path)
    found = connection.getresponse().getheader("Location") or url
    connection.close()
    return found


def _table(kind: str, job: Path, runs: int) -> None:
    usages: dict[str, list[Usage]] = {name: [] for name in CANDIDATES}
    for number in range(runs + 1):
        for name, found in usages.items():
            command = [sys.executable, "-m", "benchmarks.http_candidates", "--be", name, str(job)]
            usage = run(command, {"PATH": "", "NO_PROXY": "*"}, Path.cwd(), job.with_suffix(".log"))
            if usage.code:
                raise SystemExit(f"{name}: {job.with_suffix('.log').read_text()[-500:]}")
            if number:  # the first one warms up
                found.append(usage)
    print(f"\n| {kind} | CPU s | wall s | peak MiB |\n|---|---|---|---|")
    for name, found in usages.items():
        cpu, wall, peak = (
            statistics.median(getattr(one, figure) for one in found) for figure in ("cpu", "wall", "memory")
        )
        print(f"| {name} | {cpu:.2f} | {wall:.2f} | {peak / (1 << 20):.0f} |")


def _imports(runs: int) -> None:
    def seconds(code: str) -> float:
        command = [sys.executable, "-c", code]
        times = [run(command, {"PATH": ""}, Path.cwd(), Path("/dev/null")).cpu for _run in range(2 * runs)]
        return statistics.median(times)

    bare = seconds("pass")
    print("\n| import | CPU s over a bare interpreter |\n|---|---|")
    for name, (_candidate, modules) in CANDIDATES.items():
        print(f"| {name} | {seconds(f'import asyncio, {modules}') - bare:.2f} |")


if __name__ == "__main__":
    main()
