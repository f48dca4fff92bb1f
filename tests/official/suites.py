"""Which official suites there are, where they come from, and how they are laid out to be run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("OFFICIAL_CACHE", HERE.parents[1] / ".official"))
"""Where what was fetched is kept for the next run."""
_PIP = [sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check"]
_COPIED = ("modelscope", "data/test/videos", "tests/hub", "tests/__init__.py")


@dataclass(frozen=True)
class Suite:
    """One client's tests.

    Attributes:
        host: The hub's name, as its certificate and its clients have it.
        url: The hub's public address; empty for the one by which it is asked.
        sdist: The archive, as `sdists.txt` pins it; empty for tests that are in a checkout.
        files: Which of its files are run, below its tests.
        options: For pytest.
        said: More of the environment; `{port}` is the hub's.
    """

    name: str
    host: str
    url: str
    sdist: str
    files: tuple[str, ...]
    options: tuple[str, ...]
    said: Mapping[str, str]

    @property
    def site(self) -> Path:
        """Where its packages are kept."""
        return place_of(self.name)

    def source(self, checkout: Path | None) -> Path | None:
        """Return where the tests come from; None where they are not."""
        if self.sdist:
            return PLACE / f"{self.sdist}.tar.gz"
        return checkout if checkout is not None and (checkout / "tests" / "hub").is_dir() else None


SUITES = (
    Suite(
        "huggingface",
        "hub-ci.huggingface.co",
        "https://hub-ci.huggingface.co",
        "huggingface_hub-2.4.0",
        ("test_hf_api.py", "test_hf_file_system.py"),
        ("-m", "not production and not git_lfs and not vcr"),
        {"HF_HUB_DISABLE_XET": "1"},
    ),
    Suite(
        "modelscope",
        "localhost",
        "",
        "",
        ("hub",),
        ("-p", "no:randomly", "-W", "ignore"),
        {
            "MODELSCOPE_ENDPOINT": "https://localhost:{port}",
            "MODELSCOPE_DOMAIN": "localhost:{port}",
            "TEST_ACCESS_TOKEN_CITEST": "ms-citest-0123456789abcdef",
            "TEST_ACCESS_TOKEN_SDKDEV": "ms-sdkdev-0123456789abcdef",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "citest",
            "GIT_AUTHOR_EMAIL": "citest@localhost",
            "GIT_COMMITTER_NAME": "citest",
            "GIT_COMMITTER_EMAIL": "citest@localhost",
        },
    ),
)


def place_of(name: str) -> Path:
    """Return where the packages of `requirements-<name>.txt` are kept."""
    return PLACE / f"site-{name}"


def install(name: str) -> None:
    """Bring the packages of `requirements-<name>.txt`, each of them by its hash, if they are not here.

    Raises:
        CalledProcessError: They cannot be had here.
    """
    listed = HERE / f"requirements-{name}.txt"
    stamp, wanted = place_of(name) / ".requirements", listed.read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    shutil.rmtree(place_of(name), ignore_errors=True)
    line = ["install", "--target", str(place_of(name)), "--no-deps", "--require-hashes", "-r", str(listed)]
    subprocess.run([*_PIP, *line], check=True)
    stamp.write_bytes(wanted)


def fetch(suite: Suite) -> None:
    """Bring a suite and what it needs besides, each of them by its hash.

    Raises:
        CalledProcessError: It cannot be had here.
    """
    install(suite.name)
    if suite.sdist and not (PLACE / f"{suite.sdist}.tar.gz").exists():
        line = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", str(HERE / "sdists.txt")]
        subprocess.run([*_PIP, "download", "--dest", str(PLACE), *line], check=True)


def unpack(suite: Suite, source: Path, top: Path) -> Path:
    """Lay a suite out, put our conftest beside its tests, and return the folder of its tests."""
    if suite.sdist:
        with tarfile.open(source) as archive:
            archive.extractall(top, filter="data")
        tests = top / suite.sdist / "tests"
    else:
        for name in _COPIED:  # not run where they are: they write beside themselves
            place = source / name
            if place.is_dir():
                shutil.copytree(place, top / suite.name / name)
            elif place.exists():
                shutil.copyfile(place, top / suite.name / name)
        tests = top / suite.name / "tests"
    (tests / "__init__.py").touch()
    shutil.copyfile(HERE / suite.name / "beside.py", tests / "conftest.py")
    return tests
