"""Build the package from a clean clone, look into it, install it where nothing is, and try it.

    python -m tests.dist.run [--keep DIR]

Runs in the environment of requirements-dist.lock (`make test-dist`); needs a package index. What is tried
is what is committed. Two environments: the lowest direct dependencies that pyproject.toml allows, and the newest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tests.dist import contents
from tests.dist.smoke import NOBODY, Installed, everybodys_python, runs_alone, works

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def main() -> None:
    """Do it all; the first thing that is wrong ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="keep sdist and wheel in this folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubferry-dist-") as name:
        top = Path(name)
        clone = _told("clone", _clone, top)
        built = asked.keep or top / "dist"
        sdist, wheel = _told("build", _build, clone, built)
        expected = contents.tracked(clone)
        contents.examine_sdist(sdist, expected)
        contents.examine_wheel(wheel, expected)
        _run(str(BIN / "twine"), "check", "--strict", str(sdist), str(wheel))
        version = wheel.name.split("-")[1]
        for resolution in ("lowest-direct", "highest"):
            installed = _told(f"install, {resolution}", _install, wheel, top / resolution, resolution)
            _told(f"try, {resolution}", works, installed, version)
        file = _told("one file", _one_file, clone, wheel, built)
        home = top / "empty-home"
        home.mkdir()
        _told("try, one file", runs_alone, file, home, version)


def _told(what, action, *words):
    """Do something, and say how long it took."""
    started = time.monotonic()
    result = action(*words)
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
    return result


def _run(*words: str, cwd: Path | None = None) -> None:
    # uv believes the certificates of this machine, as pip does
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def _clone(top: Path) -> Path:
    _run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(top / "clone"))
    return top / "clone"


def _build(clone: Path, place: Path) -> tuple[Path, Path]:
    """Build the sdist from the clone, and the wheel from the sdist, as an index's users would."""
    place.mkdir(parents=True, exist_ok=True)
    hatch = (sys.executable, "-m", "hatchling", "build", "--directory", str(place.absolute()))
    _run(*hatch, "--target", "sdist", cwd=clone)
    (sdist,) = place.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(clone.parent / "unpacked", filter="data")
    (unpacked,) = (clone.parent / "unpacked").iterdir()
    _run(*hatch, "--target", "wheel", cwd=unpacked)
    (wheel,) = place.glob("*.whl")
    return sdist, wheel


def _one_file(clone: Path, wheel: Path, place: Path) -> Path:
    _run(sys.executable, str(clone / "deploy" / "onefile" / "build.py"), str(wheel), str(place))
    (file,) = place.glob("*.pyz")
    return file


def _install(wheel: Path, place: Path, resolution: str) -> Installed:
    uv, interpreter = str(BIN / "uv"), everybodys_python() if resolution == "highest" else None
    _run(uv, "venv", "--quiet", "--python", interpreter or sys.executable, str(place / "env"))
    python = place / "env" / "bin" / "python"
    _run(uv, "pip", "install", "--quiet", "--python", str(python), "--resolution", resolution, str(wheel))
    home = place / "home"
    home.mkdir()
    if interpreter is not None:  # a tree of root's, an account without any right: as in a container
        os.chown(home, NOBODY, NOBODY)
        place.parent.chmod(0o755)
    command = (str(python.parent / "hubferry"),)
    return Installed(command, home, python.parent, unprivileged=interpreter is not None)


if __name__ == "__main__":
    main()
