"""Build the image of deploy/Dockerfile and run it as it is meant to run: `make test-image`.

    python -m tests.image.run

Needs root and buildah, and either a registry of images or debootstrap and a Python 3.12; where one of them is
lacking, that is said, and the exit code is 0. Images stay in `.venv-dist/image` for the next time.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.dist.smoke import Installed
from tests.image import base
from tests.image.running import Image, image, said

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
STORE = ROOT / ".venv-dist" / "image"
NAME = "hubferry-test"
_OF_THIS_MACHINE = ("/etc/pip.conf", "/etc/ssl/certs")
"""What building needs where packages come by way of a mirror."""
_SECONDS = 60
_MIRRORS = """\
version: 1
hubs:
  from: {{kind: hf, endpoint: "{url}"}}
  to: {{kind: ms, endpoint: "{url}", token: {{file: /etc/hubferry/token}}}}
sync:
  - {{source: "from:local/model", target: "to:local/copied", schedule: {{every: 1h, at_start: true}}}}
"""


def main() -> None:
    """Build it, then try what it is for."""
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        sys.exit(_skipped("it takes root and buildah (apt-get install buildah debootstrap)"))
    STORE.mkdir(parents=True, exist_ok=True)
    buildah = [
        "buildah",
        "--storage-driver",
        "vfs",
        "--root",
        str(STORE / "root"),
        "--runroot",
        str(STORE / "run"),
    ]
    with tempfile.TemporaryDirectory(prefix="hubferry-image-") as name:
        how = _told("base", base.get, buildah, Path(name))
        if how is None:
            sys.exit(
                _skipped(
                    f"{base.NAME} cannot be had, nor debootstrap and a Python 3.12 to make the like of it"
                )
            )
        print(f"{base.NAME}: {how}")
        _told("build", _build, buildah)
        made = image(buildah, NAME, Path(name))
        try:
            _told("what it is", _is_what_it_says, made)
            with hub(Path(name) / "hub") as url:
                _told("mirror", _mirrors, made, url)
                _told("watch", _watches, made, url)
        finally:
            said(*buildah, "rm", "--all")


def _skipped(reason: str) -> int:
    print(f"test-image is skipped: {reason}")
    return 0


def _told(what, action, *words):
    started = time.monotonic()
    result = action(*words)
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
    return result


def _build(buildah: list[str]) -> None:
    lent = [word for one in _OF_THIS_MACHINE if Path(one).exists() for word in ("-v", f"{one}:{one}:ro")]
    words = [
        "build",
        "--isolation",
        "chroot",
        "--network",
        "host",
        "--format",
        "docker",
        "--pull-never",
        *lent,
    ]
    said(*buildah, *words, "--file", str(ROOT / "deploy/Dockerfile"), "--tag", NAME, str(ROOT))


def _is_what_it_says(made: Image) -> None:
    assert made.run("hubferry", "--version").startswith("hubferry ")
    assert made.run("id").startswith("uid=10001(hubferry) gid=10001(hubferry) groups=10001(hubferry)")
    assert (
        made.run("sh", "-c", "touch /x /hubferry/x 2>/dev/null; ls /x /hubferry/x 2>/dev/null || echo none")
        == "none"
    )
    assert "0000000000000000" in made.run("grep", "CapEff", "/proc/self/status")
    assert "11.9 MiB  whole" in made.run("hubferry", "demo")
    assert made.health("sync", "run") == 0
    assert made.health("serve") == 1, "nobody listens"


@contextmanager
def hub(store: Path) -> Iterator[str]:
    """A hub of this machine that has a model; yields its address."""
    place = store.with_name("home")
    place.mkdir()
    ours = Installed((sys.executable.replace(".venv-dist", ".venv"), "-m", "hubferry"), place)
    model = place / "model"
    model.mkdir()
    (model / "README.md").write_text("---\nlicense: mit\n---\n# a model\n")
    (model / "weights.bin").write_bytes(bytes(range(256)) * 40_000)
    with ours.hub(store) as url:
        ours.run("copy", str(model), "hf:local/model", HF_ENDPOINT=url, HF_TOKEN="a-token-of-the-smoke-test")
        yield url


def _mirrors(made: Image, url: str) -> None:
    port = str(_free_port())
    words = ("serve", "--upstream", f"hf={url}", "--host", "0.0.0.0", "--open", "--port", port)
    with made.started(*words) as process:
        _wait_for(f"http://127.0.0.1:{port}/healthz")
        assert made.health(*words) == 0
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/local/model/resolve/main/weights.bin"
        ) as answer:
            assert answer.read() == bytes(range(256)) * 40_000
        _ends_in_good_order(made, process)
    assert {path.stat().st_uid for path in (made.data / "cache").rglob("weights.bin")} == {10001}


def _watches(made: Image, url: str) -> None:
    (made.mounted / "mirrors.yaml").write_text(_MIRRORS.format(url=url))
    (made.mounted / "token").write_text("a-token-of-the-smoke-test")
    with made.started() as process:  # the image's own command
        _wait_for("http://127.0.0.1:9464/healthz")
        assert made.health(*made.settings["Cmd"]) == 0
        _wait_for(f"{url}/api/v1/models/local/copied/repo/files?Recursive=true")
        _ends_in_good_order(made, process)


def _ends_in_good_order(made: Image, process) -> None:
    """Send the image's stop signal to the first process of the container, as a container runtime does."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.Signals[made.settings["StopSignal"]])
    assert process.wait(_SECONDS) == 0, process.stdout.read()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(address: str) -> None:
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if b'"Success":false' not in answer.read():
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    raise TimeoutError(address)


if __name__ == "__main__":
    main()
