"""`python -m benchmarks.mirror`: what a mirror costs, and what it spares.

    hit      8 clients read one file that is in the cache, against nginx serving the same file
    miss     one client reads what only upstream has, over `wan`, against asking upstream
    crowd    50 clients read one file that only upstream has: bytes from upstream for each byte of it
    memory   100 clients read files of 10 GiB: the largest resident set of the mirror

Each number is the median of the rounds, which take turns. Clients are curl; bodies go nowhere.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fronts import _found, _free_port, _wait_for, front
from benchmarks.hubs import HubProcess, running_hub, store_folder
from hubferry.serve import Put, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
_NAME = "bench/model"
_FILE = "model.safetensors"
_PATH = f"/{_NAME}/resolve/main/{_FILE}"
_NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
worker_processes 2;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}; listen 127.0.0.1:{secure} ssl; root {root};
        ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.3;
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A running `hubferry serve`."""

    url: str
    process: subprocess.Popen[str]
    cache: Path

    def peak(self) -> int:
        """Return the largest resident set that it ever had."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
        return 0


@contextlib.contextmanager
def running_mirror(folder: Path, upstream: str) -> Iterator[Mirror]:
    """Run a mirror of `upstream` with an empty cache."""
    cache = Path(tempfile.mkdtemp(dir=folder, prefix="cache-"))
    environment = {**os.environ, "HUBFERRY_CACHE": str(cache), "HOME": str(folder)}
    line = [
        sys.executable,
        "-m",
        "hubferry",
        "serve",
        str(folder / "own"),
        "--port",
        "0",
        "--json",
        "--quiet",
    ]
    process = subprocess.Popen(
        [*line, "--upstream", f"hf={upstream}"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the mirror was started without a pipe")
        yield Mirror(json.loads(process.stdout.readline())["url"], process, cache)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()
        shutil.rmtree(cache, ignore_errors=True)


@contextlib.contextmanager
def running_nginx(root: Path, certificate: Path) -> Iterator[tuple[str, str]]:
    """Serve a folder with nginx, plain and with TLS; `certificate` has the key as well."""
    with tempfile.TemporaryDirectory(prefix="hubferry-nginx-") as place:
        port, secure = _free_port(), _free_port()
        user = "" if os.geteuid() else "user root;"  # else its workers could not read the cache
        text = _NGINX.format(
            folder=place, port=port, secure=secure, root=root, user=user, certificate=certificate
        )
        configuration = Path(place) / "nginx.conf"
        configuration.write_text(text)
        process = subprocess.Popen([str(_found("nginx")), "-c", configuration, "-p", place])
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}", f"https://127.0.0.1:{secure}"
        finally:
            process.terminate()
            process.wait()


def read(addresses: list[str], *options: str) -> float:
    """Read all of these at once; return the seconds until the last has ended."""
    begun = time.monotonic()
    lines = [["curl", "-sfkL", *options, "-o", os.devnull, address] for address in addresses]
    clients = [subprocess.Popen(line) for line in lines]
    codes = [client.wait() for client in clients]
    if any(codes):
        raise SystemExit(f"curl ended with {codes}")
    return time.monotonic() - begun


def hits(mirror: Mirror, folder: Path, size: int, rounds: int) -> dict[str, float]:
    """Return the bytes a second of 8 clients, from the mirror and from nginx, plain and with TLS.

    All by HTTP/1.1, as the official clients ask: the frames of HTTP/2 cost more than what is compared here.
    """
    read([mirror.url + _PATH])
    _until_stored(mirror)
    root = folder / "www"
    root.mkdir()
    os.link(next(mirror.cache.glob(f"*@*/{_FILE}")), root / _FILE)
    found: dict[str, list[float]] = {}
    with (
        front(mirror.url) as ours,
        running_nginx(root, ours.certificate.with_name("certificate.pem")) as (plain, secure),
    ):
        places = {
            "mirror": mirror.url + _PATH,
            "nginx": f"{plain}/{_FILE}",
            "mirror, TLS": ours.url + _PATH,
            "nginx, TLS": f"{secure}/{_FILE}",
        }
        for _round in range(rounds):
            for name, address in places.items():
                found.setdefault(name, []).append(8 * size / read([address] * 8, "--http1.1"))
    return {name: statistics.median(values) for name, values in found.items()}


def _until_stored(mirror: Mirror) -> None:
    for _try in range(500):
        if next(mirror.cache.glob(f"*@*/{_FILE}"), None) is not None:
            time.sleep(2)  # the directory is let go
            return
        time.sleep(0.1)
    raise SystemExit("the file did not come into the cache")


def misses(hub: HubProcess, folder: Path, rounds: int) -> dict[str, float]:
    """Return the seconds of one client over `wan`, through an empty mirror and from upstream itself."""
    hub.shape("wan")
    found: dict[str, list[float]] = {"mirror": [], "upstream": []}
    for _round in range(rounds):
        found["upstream"].append(read([hub.url + _PATH]))
        with running_mirror(folder, hub.url) as mirror:
            found["mirror"].append(read([mirror.url + _PATH]))
    hub.shape("open")
    return {name: statistics.median(values) for name, values in found.items()}


def crowd(hub: HubProcess, folder: Path, size: int) -> tuple[float, float]:
    """Return the bytes from upstream for each byte of a file that 50 clients ask for at once, and seconds."""
    with running_mirror(folder, hub.url) as mirror:
        hub.drain()
        seconds = read([mirror.url + _PATH] * 50)
        return hub.drain().sent / size, seconds


def memory(folder: Path) -> tuple[int, int]:
    """Return the peak of a mirror that 100 slow clients read ten files of 10 GiB from, cold; and before them.

    The files are holes, and nobody comes to their end: their digests are made up.
    """
    store = Store(folder / "hub", durable=False)
    for number in range(10):
        blob = store.blobs.path(f"{number:064x}")
        blob.parent.mkdir(parents=True, exist_ok=True)
        with blob.open("wb") as file:
            file.truncate(10 << 30)
        put = Put(_FILE, f"{number:064x}", lfs=True, size=10 << 30)
        store.create(f"bench/large{number}").commit("main", [put], title="Holes")
    with running_hub(folder / "hub", "source") as hub, running_mirror(folder, hub.url) as mirror:
        hub.shape("wan")
        read([f"{mirror.url}/api/models/bench/large0"])
        rest = mirror.peak()
        lines = [
            ["curl", "-s", "--limit-rate", "1M", "--max-time", "12", "-o", os.devnull,
             f"{mirror.url}/bench/large{number % 10}/resolve/main/{_FILE}"]
            for number in range(100)
        ]  # fmt: skip
        for client in [subprocess.Popen(line) for line in lines]:
            client.wait()
        return mirror.peak(), rest


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, help="MiB of the file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["hit", "miss", "crowd", "memory"])
    wish = parser.parse_args()
    size = wish.size * MIB
    load = os.getloadavg()[0]
    print(f"{wish.size} MiB, {wish.rounds} rounds, load {load:.1f} at the start")
    with store_folder(3 * size) as place, store_folder(6 * size) as work:
        content = place / "content"
        with content.open("wb") as file:
            for _number in range(wish.size):
                file.write(os.urandom(MIB))
        Store(place, durable=False).add(_NAME, {_FILE: content})
        content.unlink()
        with running_hub(place, "source") as hub:
            _measure(hub, work, size, wish)
    if "memory" in wish.only:
        with tempfile.TemporaryDirectory(prefix="hubferry-bench-") as work_on_disk:
            peak, rest = memory(Path(work_on_disk))
        print(f"memory  {peak / MIB:.0f} MiB with 100 clients, {rest / MIB:.0f} MiB before them")


def _measure(hub: HubProcess, work: Path, size: int, wish: argparse.Namespace) -> None:
    if "hit" in wish.only:
        with running_mirror(work, hub.url) as mirror:
            found = hits(mirror, work, size, wish.rounds)
        for name, rate in found.items():
            print(f"hit     {name:12} {rate / 1e6:7.0f} MB/s")
        print(f"hit     {found['mirror'] / found['nginx']:.2f} of nginx,"
              f" {found['mirror, TLS'] / found['nginx, TLS']:.2f} with TLS")  # fmt: skip
    if "miss" in wish.only:
        times = misses(hub, work, wish.rounds)
        ratio = times["mirror"] / times["upstream"]
        print(
            f"miss    {times['mirror']:.2f} s by the mirror, {times['upstream']:.2f} s directly: {ratio:.2f}"
        )
    if "crowd" in wish.only:
        ratio, seconds = crowd(hub, work, size)
        print(f"crowd   {ratio:.4f} bytes from upstream for each, {seconds:.1f} s")


if __name__ == "__main__":
    main()
