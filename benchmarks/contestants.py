"""The ways to copy that are measured: each is a command line and the environment it runs in."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.hubs import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.repositories import Repository

DESTINATION = "bench/copy"
_SCRIPTS = Path(sys.executable).parent
_CLIENTS = Path(__file__).parent / "clients"


@dataclass(frozen=True, slots=True)
class Task:
    """One copy to make.

    Attributes:
        repository: What to copy.
        source: Base URL of the source's hub.
        destination: Base URL of the destination's hub.
        revision: Branch of the source.
        certificates: Whom to believe, where the hubs speak TLS.
    """

    repository: Repository
    source: str
    destination: str
    revision: str = "main"
    certificates: Path | None = None


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to copy.

    Attributes:
        name: What the tables call it.
        command: The command line for a task.
        needs: The program without which it cannot take part.
        publishes: Whether a repository is at the destination afterwards.
        hint: How to get the program.
    """

    name: str
    command: Callable[[Task], list[str]]
    needs: str
    publishes: bool = True
    hint: str = ""

    def absent(self) -> str | None:
        """Return why it cannot take part, None when it can."""
        if shutil.which(self.needs) or Path(self.needs).exists():
            return None
        return f"{self.name} is skipped: {Path(self.needs).name} is not installed{self.hint}"


def environment(task: Task, home: Path) -> dict[str, str]:
    """Return the same small environment for everybody, with `home` for HOME, caches and temporary files."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if task.certificates else ()
    believed = dict.fromkeys(names, str(task.certificates))
    return {
        **believed,
        "PATH": f"{_SCRIPTS}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "HF_ENDPOINT": task.source,
        "HF_TOKEN": TOKEN,
        "MODELSCOPE_ENDPOINT": task.destination,
        "MODELSCOPE_API_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",  # the hubs of the benchmark have no Xet
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def _hubferry(task: Task) -> list[str]:
    source = f"hf:{task.repository.repo_id}@{task.revision}"
    return [str(_SCRIPTS / "hubferry"), "copy", source, f"ms:{DESTINATION}"]


def _hubferry_fetch(task: Task) -> list[str]:
    return [str(_SCRIPTS / "hubferry"), "fetch", f"hf:{task.repository.repo_id}@{task.revision}"]


def _download_then_upload(task: Task) -> list[str]:
    script = str(_CLIENTS / "download_then_upload.py")
    return [sys.executable, script, task.repository.repo_id, DESTINATION, task.revision]


def _bridge(workers: int) -> Callable[[Task], list[str]]:
    def command(task: Task) -> list[str]:
        return [
            str(_SCRIPTS / "hfms-bridge"), "hf2ms", task.repository.repo_id, DESTINATION,
            "--hf-revision", task.revision, "--ms-token", TOKEN, "--repo-type", "model",
            "--workers", str(workers), "--progress", "off",
        ]  # fmt: skip

    return command


def _curl_pipe(task: Task) -> list[str]:
    """Stream the largest file, hashed on the way, into the one PUT that it is at best."""
    path = task.repository.largest_path
    target = blob_address(task.destination, task.repository.files[path], task.repository.sizes[path])
    line = 'curl -sfL -H "Authorization: Bearer $HF_TOKEN" "$1" | tee >(sha256sum >&2) | curl -sf -T - "$2"'
    return ["bash", "-o", "pipefail", "-c", line, "limit", file_address(task), target]


def _aria2c(task: Task) -> list[str]:
    return [
        "aria2c", "-x16", "-s16", "--min-split-size=1M", "--file-allocation=none", "--quiet=true",
        f"--header=Authorization: Bearer {TOKEN}", file_address(task),
    ]  # fmt: skip


def file_address(task: Task) -> str:
    """Return where the largest file is downloaded from."""
    return f"{task.source}/{task.repository.repo_id}/resolve/{task.revision}/{task.repository.largest_path}"


def blob_address(hub: str, sha256: str, size: int) -> str:
    """Create the repository at `hub` and return a signed address to PUT a blob to."""
    owner, _, name = DESTINATION.partition("/")
    try:
        _post(f"{hub}/api/v1/models", {"Path": owner, "Name": name})
    except urllib.error.HTTPError as error:
        error.close()  # it is there already
    answer = _post(
        f"{hub}/api/v1/repos/models/{DESTINATION}/info/lfs/objects/batch",
        {"operation": "upload", "objects": [{"oid": sha256, "size": size}]},
    )
    return str(answer["Data"]["objects"][0]["actions"]["upload"]["href"])


def _post(address: str, body: object) -> dict[str, dict[str, list[dict[str, dict[str, dict[str, str]]]]]]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
        found: dict[str, dict[str, list[dict[str, dict[str, dict[str, str]]]]]] = json.load(answer)
        return found


_BRIDGE = str(_SCRIPTS / "hfms-bridge")
_PIP = " (pip install hfms-bridge)"
CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("hubferry", _hubferry, str(_SCRIPTS / "hubferry")),
        Contestant("download-then-upload", _download_then_upload, sys.executable),
        Contestant("hfms-bridge-4", _bridge(4), _BRIDGE, hint=_PIP),
        Contestant("hfms-bridge-8", _bridge(8), _BRIDGE, hint=_PIP),
        Contestant("curl", _curl_pipe, "curl", publishes=False),
        Contestant("hubferry-fetch", _hubferry_fetch, str(_SCRIPTS / "hubferry"), publishes=False),
        Contestant("aria2c", _aria2c, "aria2c", publishes=False, hint=" (Debian package aria2)"),
    )
}
