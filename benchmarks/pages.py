"""How long the hub's pages take: the first one of many repositories, and a repository of many files.

    make bench-pages BENCH="--repositories 10000 --files 60000"

The hub runs in a process of its own, the pages are asked for one after another over one connection, and the
event loop is asked for /healthz all the while: what it waits is what a page makes everybody else wait.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

BROWSER = {"Accept": "text/html", "Accept-Language": "en"}
CARD = b"---\nlicense: mit\npipeline_tag: text-generation\ntags: [chat]\n---\n# A model\n\nWords about it.\n"


def fill(root: Path, repositories: int, files: int) -> None:
    """Make the store."""
    from hubferry.serve import Store

    store = Store(root, durable=False)
    for number in range(repositories):
        store.add(f"org-{number % 97}/model-{number}", {"README.md": CARD, "config.json": b"{}"})
    many = {f"part-{number % 100:03}/file-{number:06}.bin": b"%d" % number for number in range(files // 2)}
    many |= {f"flat/file-{number:06}.bin": b"%d" % number for number in range(files - files // 2 - 1)}
    store.add("large/repository", {"README.md": CARD, **many})


def used(process: int) -> float:
    """Return the milliseconds of processor time that the hub has taken: a busy machine changes it little."""
    import psutil

    times = psutil.Process(process).cpu_times()
    return (times.user + times.system) * 1000


def measure(connection: http.client.HTTPConnection, path: str, times: int, process: int) -> dict[str, float]:
    """Return the first answer's milliseconds, the median and the worst of the others, and the bytes."""
    taken, size, before, first = [], 0, used(process), 0.0
    for _number in range(times + 1):
        began = time.perf_counter()
        connection.request("GET", path, headers=BROWSER)
        answer = connection.getresponse()
        size = len(answer.read())
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != http.client.OK:
            raise SystemExit(f"{path}: {answer.status}")
        first = first or used(process) - before
    rest = taken[1:]
    return {
        "first_ms": round(taken[0], 1),
        "median_ms": round(statistics.median(rest), 1),
        "worst_ms": round(max(rest), 1),
        "first_processor_ms": round(first),
        "processor_ms": round((used(process) - before - first) / times, 1),
        "bytes": size,
    }


class Pulse(threading.Thread):
    """Ask for /healthz all the while, and remember the longest wait."""

    def __init__(self, place: str) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection(place, timeout=60)
        self._ended = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        """Ask until told to end."""
        while not self._ended.wait(0.002):
            began = time.perf_counter()
            self._connection.request("GET", "/healthz")
            self._connection.getresponse().read()
            self.longest = max(self.longest, (time.perf_counter() - began) * 1000)

    def end(self) -> float:
        """Return the longest wait in milliseconds."""
        self._ended.set()
        self.join()
        return round(self.longest, 1)


def main() -> None:
    """Fill a store, serve it, ask, and print what was measured as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repositories", type=int, default=10_000)
    options.add_argument("--files", type=int, default=60_000)
    options.add_argument("--times", type=int, default=20)
    options.add_argument("--pause", type=float, default=2.0, help="seconds before the first question")
    wish = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubferry-bench-pages-") as folder:
        root = Path(folder) / "hub"
        fill(root, wish.repositories, wish.files)
        command = [sys.executable, "-m", "hubferry", "serve", str(root), "--port", "0", "--quiet", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            if process.stdout is None:
                raise SystemExit("the hub says nothing")
            place = urlsplit(json.loads(process.stdout.readline())["url"]).netloc
            try:
                time.sleep(wish.pause)
                report(place, wish.times, process.pid)
            finally:
                process.terminate()


def report(place: str, times: int, process: int) -> None:
    """Measure each page and print it."""
    connection = http.client.HTTPConnection(place, timeout=60)
    for name, path in (
        ("first page", "/"),
        ("a search", "/?search=model-99"),
        ("a repository's card", "/large/repository"),
        ("its files", "/large/repository/tree/main"),
        ("a folder of half of them", "/large/repository/tree/main/flat"),
        ("its last part", "/large/repository/tree/main/flat?part=299"),
        ("a file found by name", "/large/repository/tree/main?files=file-00012"),
    ):
        found = measure(connection, path, times, process)
        pulse = Pulse(place)
        pulse.start()
        measure(connection, path, times, process)
        print(json.dumps({"page": name, **found, "others_waited_ms": pulse.end()}), flush=True)


if __name__ == "__main__":
    main()
