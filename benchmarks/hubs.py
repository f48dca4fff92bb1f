"""The hubs of a measurement as the harness sees them: processes that are told and asked through a pipe."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from benchmarks.results import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "benchmark-token"  # noqa: S105  # the hubs of a benchmark take any token
_MEMORY = Path("/dev/shm")  # noqa: S108  # a file system in memory, where there is one


class HubProcess:
    """A hub in a process of its own."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        """Take over a started process."""
        self.url = url
        self._process = process
        self._cpu = 0.0

    def shape(self, link: str) -> None:
        """Take the rates of a link for connections opened from now on."""
        self._ask({"link": link})

    def drain(self) -> Traffic:
        """Return what was asked since the last time."""
        found = Traffic(**self._ask({}))
        used, self._cpu = found.cpu - self._cpu, found.cpu
        return replace(found, cpu=used)

    def listing(self, repo_id: str) -> dict[str, str]:
        """Return the sha256 of every file of a repository, by path; nothing where there is no repository."""
        address = f"{self.url}/api/v1/models/{repo_id}/repo/files?Recursive=true&Revision=master"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310  # loopback
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
                entries = json.load(answer)["Data"]["Files"]
        except urllib.error.HTTPError as error:
            error.close()
            return {}
        return {entry["Path"]: entry["Sha256"] for entry in entries if entry["Type"] == "blob"}

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = _pipes(self._process)
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer


@contextlib.contextmanager
def running_hub(root: Path, side: str) -> Iterator[HubProcess]:
    """Run a hub over the store in `root`, as the `source` or the `destination` of a link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", str(root), side],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    stdin, stdout = _pipes(process)
    try:
        yield HubProcess(json.loads(stdout.readline())["url"], process)
    finally:
        stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        stdout.close()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the hub was started without pipes")
    return process.stdin, process.stdout


@contextlib.contextmanager
def store_folder(room: int) -> Iterator[Path]:
    """Make a folder for a hub's store, in memory when twice `room` bytes are free there, else on the disk.

    In memory the hubs do not compete with the client for the disk, as hubs on other machines would not.
    """
    place = None
    if _MEMORY.is_dir() and min(shutil.disk_usage(_MEMORY).free, _available_memory()) > 2 * room:
        place = _MEMORY
    with tempfile.TemporaryDirectory(prefix="hubferry-bench-hub-", dir=place) as folder:
        yield Path(folder)


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0
