"""What has to be in the sdist and in the wheel: everything that is tracked, and nothing else."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

from tests.dist.smoke import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

_NEEDED_IN_SDIST = ("pyproject.toml", "README.md", "LICENSE", "transfer_flux_dev.py")


def tracked(root: Path, folder: str = "src/hubferry") -> set[str]:
    """Return the tracked files of a folder, by their paths from `src`."""
    words = ["git", "-C", str(root), "ls-files", "-z", "--", folder]
    names = subprocess.run(words, capture_output=True, check=True, text=True).stdout.split("\0")
    return {name.removeprefix("src/") for name in names if name}


def examine_wheel(wheel: Path, expected: set[str]) -> None:
    """Refuse a wheel that lacks a tracked file, or has one that is not."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        said = archive.read(entry_points).decode()
    inside = {name for name in names if not name.partition("/")[0].endswith((".dist-info", ".data"))}
    assert inside == expected, f"lacking {sorted(expected - inside)}, too much {sorted(inside - expected)}"
    scripts = {name.rpartition("/")[2] for name in names if ".data/scripts/" in name}
    assert scripts == set(SCRIPTS), scripts
    for name in ("hubferry = ", "hf-ferry = "):
        assert name in said, said
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")], "no licence"


def examine_sdist(sdist: Path, expected: set[str]) -> None:
    """Refuse an sdist from which the wheel could not be built."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    lacking = [name for name in (*_NEEDED_IN_SDIST, *(f"src/{one}" for one in expected)) if name not in names]
    assert not lacking, lacking
    strange = [
        name for name in names if name.startswith((".venv", ".mypy", "dist/")) or "__pycache__" in name
    ]
    assert not strange, strange
