"""What an installed hubferry must be able to do, wherever it was installed: its commands, as processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SCRIPTS = (
    "transfer_flux_dev.py",
    "hf_to_modelscope_transfer.py",
    "simple_hf_to_ms.py",
    "clean_model_cache.py",
)
NOBODY = 65534
_TOKEN = "a-token-of-the-smoke-test"


@dataclass(frozen=True)
class Installed:
    """An installed hubferry.

    Attributes:
        command: What runs it.
        home: An empty folder.
        folder: Where its other commands are; None where it is one file.
        unprivileged: Whether it runs as an account that may write its home alone.
    """

    command: tuple[str, ...]
    home: Path
    folder: Path | None = None
    unprivileged: bool = False

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return an environment without anything of this machine's."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return kept | {"HOME": str(self.home), "HUBFERRY_LANG": "en", "PYTHONWARNINGS": "error", **more}

    def line(self, words: Sequence[str]) -> list[str]:
        """Return a command line, under another account where that is wanted."""
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return [*(as_nobody if self.unprivileged else ()), *words]

    def run(self, *words: str, code: int = 0, **more: str) -> str:
        """Run it; return what it printed."""
        return self.run_program(*self.command, *words, code=code, **more)

    def run_program(self, *words: str, code: int = 0, **more: str) -> str:
        """Run one of its programs."""
        done = subprocess.run(
            self.line(words), env=self.environment(more), cwd=self.home, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def hub(self, store: Path) -> Iterator[str]:
        """Run a hub of its own; yield its address."""
        words = self.line(
            [*self.command, "serve", str(store), "--port", "0", "--writable", "--json", "--quiet"]
        )
        with subprocess.Popen(
            words,
            env=self.environment({"HUBFERRY_TOKEN": _TOKEN}),
            cwd=self.home,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                yield str(json.loads(process.stdout.readline())["url"])
            finally:
                process.terminate()


def everybodys_python() -> str | None:
    """Return an interpreter that an account without any right can run, too; None where there is no such account."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return None
    for place in (f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", place, "-c", ""]
        if os.path.exists(place) and subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return place
    return None


def runs_alone(file: Path, home: Path, version: str) -> None:
    """Try the one-file build: in an empty home, and in one that cannot be written."""
    installed = Installed((sys.executable, str(file)), home)
    assert installed.run("--version").strip() == f"hubferry {version}"
    installed.run("demo")
    speaks_chinese(installed)
    kept = list((home / ".cache" / "hubferry-onefile").iterdir())
    assert len(kept) == 1, kept
    python = everybodys_python()
    if python is not None:
        file.chmod(0o755)
        nobody = Installed((python, str(file)), home, unprivileged=True)
        assert nobody.run("--version").strip() == f"hubferry {version}"
        nobody.run("demo")
    assert list((home / ".cache" / "hubferry-onefile").iterdir()) == kept


def works(installed: Installed, version: str) -> None:
    """Try everything; an AssertionError says what does not work."""
    assert installed.run("--version").strip() == f"hubferry {version}"
    installed.run("demo")
    model = installed.home / "model"
    model.mkdir()
    (model / "README.md").write_text("---\nlicense: mit\n---\n# a model\n")
    (model / "weights.bin").write_bytes(bytes(range(256)) * 40_000)
    if installed.unprivileged:
        for path in (model, *model.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    with installed.hub(installed.home / "one") as one, installed.hub(installed.home / "two") as two:
        hubs = {
            "HF_ENDPOINT": one,
            "MODELSCOPE_ENDPOINT": two,
            "HF_TOKEN": _TOKEN,
            "MODELSCOPE_API_TOKEN": _TOKEN,
        }
        installed.run("copy", str(model), "hf:local/model", **hubs)
        copied = json.loads(installed.run("copy", "hf:local/model", "ms:local/model", "--json", **hubs))
        assert copied["verified"] is True
        installed.run("check", "hf:local/model", "ms:local/model", **hubs)
        installed.run("bundle", "hf:local/model", str(installed.home / "stick"), "--fat32", **hubs)
        installed.run("unbundle", str(installed.home / "stick"), "ms:local/carried", **hubs)
    assert json.loads(installed.run("cache", "list", "--json"))["models"]
    speaks_chinese(installed)
    if installed.folder is not None:
        has_its_other_commands(installed, installed.folder, version)


def speaks_chinese(installed: Installed) -> None:
    """See that the catalog came along."""
    assert "缓存" in installed.run("--help", HUBFERRY_LANG="zh", LC_ALL="C.UTF-8")


def has_its_other_commands(installed: Installed, folder: Path, version: str) -> None:
    """See that the four older scripts are there, and the name by which `hf` finds it."""
    assert installed.run_program(str(folder / "hf-ferry"), "--version").strip() == f"hubferry {version}"
    for name in SCRIPTS:
        assert installed.run_program(str(folder / name), "--help")
