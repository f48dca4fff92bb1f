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
_COPIED = ("modelscope", "data/test/videos", "tests/hub", "tests/__init__.py")


@dataclass(frozen=True)
class Suite:
    """One client's tests.

    Attributes:
        host: The hub's name, as its certificate and its clients have it.
        url: The hub's public address; empty for the one by which it is asked.
        requirements: The packages that the tests import, pinned by hash.
        sdist: The archive, as `sdists.txt` pins it; empty for tests that are in a checkout.
        files: Which of its files are run, below its tests.
        options: For pytest.
        said: More of the environment; `{port}` is the hub's.
    """

    name: str
    host: str
    url: str
    requirements: str
    sdist: str
    files: tuple[str, ...]
    options: tuple[str, ...]
    said: Mapping[str, str]

    @property
    def site(self) -> Path:
        """Where its packages are kept."""
        return PLACE / (f"site-{self.name}" if not self.sdist else "site")

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
        "requirements.txt",
        "huggingface_hub-2.4.0",
        ("test_hf_api.py", "test_hf_file_system.py"),
        ("-m", "not production and not git_lfs and not vcr"),
        {"HF_HUB_DISABLE_XET": "1"},
    ),
    Suite(
        "modelscope",
        "localhost",
        "",
        "requirements-modelscope.txt",
        "",
        ("hub",),
        ("-p", "no:randomly", "-W", "ignore"),
        {
            "MODELSCOPE_ENDPOINT": "https://localhost:{port}",
            "MODELSCOPE_DOMAIN": "localhost:{port}",
            "TEST_ACCESS_TOKEN_CITEST": "ms-citest-0123456789abcdef",
            "TEST_ACCESS_TOKEN_SDKDEV": "ms-sdkdev-0123456789abcdef",
            "GIT_CONFIG_NOSYSTEM": "1",
        },
    ),
)


def fetch(suite: Suite) -> None:
    """Bring a suite and what it needs besides, each of them by its hash.

    Raises:
        CalledProcessError: It cannot be had here.
    """
    PLACE.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check"]
    stamp, wanted = suite.site / ".requirements", (HERE / suite.requirements).read_bytes()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        shutil.rmtree(suite.site, ignore_errors=True)
        line = ["--no-deps", "--require-hashes", "-r", str(HERE / suite.requirements)]
        subprocess.run([*pip, "install", "--target", str(suite.site), *line], check=True)
        stamp.write_bytes(wanted)
    if suite.sdist and not (PLACE / f"{suite.sdist}.tar.gz").exists():
        line = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", str(HERE / "sdists.txt")]
        subprocess.run([*pip, "download", "--dest", str(PLACE), *line], check=True)


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
